// Keeps who a client is in a cookie that only this plugin can make, so that no server has to remember it (see plugins/teach/README.md).
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// Registration belongs into init: in a module without a command (c-shared) nobody calls main.
func init() { proxywasm.SetVMContext(&vmContext{}) }

func main() {}

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(uint32) types.PluginContext { return &pluginContext{} }

// The browser takes a cookie of this prefix only over TLS, for the whole host and from no subdomain (RFC 6265bis, 4.1.3.2).
const cookieName = "__Host-session"

// config: Keys in base64, 32 bytes or more each. The first one signs, all verify: a new one is put in front, and the old
// one stays until what it signed has expired.
type config struct {
	Keys  [][]byte `json:"keys"`
	Hours int64    `json:"hours"`
	Login string   `json:"login"`
}

type pluginContext struct {
	types.DefaultPluginContext
	config config
}

// OnPluginStart reads the configuration. A failure refuses it: the proxy does not start with it.
func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	data, err := proxywasm.GetPluginConfiguration()
	if err == nil {
		err = json.Unmarshal(data, &p.config) // []byte is base64 in JSON
	}
	if err == nil {
		err = p.config.check()
	}
	if err != nil {
		proxywasm.LogErrorf("session: configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (c *config) check() error {
	for _, key := range c.Keys {
		if len(key) < sha256.Size {
			return fmt.Errorf(`a key in "keys" has %d bytes, and needs %d or more`, len(key), sha256.Size)
		}
	}
	if len(c.Keys) == 0 || c.Hours < 1 || !strings.HasPrefix(c.Login, "/") {
		return fmt.Errorf(`it needs "keys", "hours" of 1 or more, and "login", a path`)
	}
	return nil
}

// mac signs text. The name of the cookie is part of it: what the same key signs for another use is no session.
func mac(key []byte, text string) []byte {
	hash := hmac.New(sha256.New, key)
	hash.Write([]byte(cookieName + "\x00" + text))
	return hash.Sum(nil)
}

// seal makes the cookie's value: USER.EXPIRES.MAC, user and MAC in base64url, which has no dot.
func (c *config) seal(user string, expires int64) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(user)) + "." + strconv.FormatInt(expires, 10)
	return text + "." + base64.RawURLEncoding.EncodeToString(mac(c.Keys[0], text))
}

// open gives the user of a cookie's value. Nothing in it is looked at before the signature is known to be good.
func (c *config) open(value string, now int64) (string, bool) {
	at := strings.LastIndexByte(value, '.')
	if at < 0 {
		return "", false
	}
	text := value[:at]
	given, err := base64.RawURLEncoding.Strict().DecodeString(value[at+1:])
	if err != nil {
		return "", false
	}
	good := false
	for _, key := range c.Keys {
		// hmac.Equal takes as long wherever the difference is; bytes.Equal would tell how much was guessed right.
		good = hmac.Equal(given, mac(key, text)) || good
	}
	name, expires, found := strings.Cut(text, ".")
	until, err := strconv.ParseInt(expires, 10, 64)
	if !good || !found || err != nil || now >= until {
		return "", false
	}
	user, err := base64.RawURLEncoding.DecodeString(name)
	return string(user), err == nil
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext { return &httpContext{config: &p.config} }

type httpContext struct {
	types.DefaultHttpContext
	config *config
}

func (h *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	_ = proxywasm.RemoveHttpRequestHeader("x-session-user") // a name that the client sends is nobody's
	cookies, _ := proxywasm.GetHttpRequestHeader("cookie")
	for _, pair := range strings.Split(cookies, ";") { // there can be several of a name
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if name != cookieName {
			continue
		}
		if user, good := h.config.open(value, time.Now().Unix()); good {
			_ = proxywasm.ReplaceHttpRequestHeader("x-session-user", user)
			return types.ActionContinue
		}
	}
	path, _ := proxywasm.GetHttpRequestHeader(":path")
	if path, _, _ := strings.Cut(path, "?"); path == h.config.Login {
		return types.ActionContinue
	}
	method, _ := proxywasm.GetHttpRequestHeader(":method")
	status, headers := uint32(401), [][2]string{{"cache-control", "no-store"}}
	if method == "GET" {
		status, headers = 302, append(headers, [2]string{"location", h.config.Login})
	}
	if err := proxywasm.SendHttpResponse(status, headers, nil, -1); err != nil {
		proxywasm.LogErrorf("session: send response: %v", err)
	}
	return types.ActionPause
}

// The server behind says who has logged in, in a header that goes no further; "-" ends the session.
func (h *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	user, err := proxywasm.GetHttpResponseHeader("x-session-start")
	if err != nil {
		return types.ActionContinue
	}
	_ = proxywasm.RemoveHttpResponseHeader("x-session-start")
	value, age := "", int64(0)
	if user != "-" && user != "" {
		age = h.config.Hours * 3600
		value = h.config.seal(user, time.Now().Unix()+age)
	}
	// HttpOnly: no script reads it. SameSite=Lax: other sites' forms do not send it.
	cookie := fmt.Sprintf("%s=%s; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Lax", cookieName, value, age)
	if err := proxywasm.AddHttpResponseHeader("set-cookie", cookie); err != nil {
		proxywasm.LogErrorf("session: set-cookie: %v", err)
	}
	_ = proxywasm.ReplaceHttpResponseHeader("cache-control", "no-store") // a shared cache must not give it to others
	return types.ActionContinue
}
