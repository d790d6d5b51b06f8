// Answers 429 to a client that sends more requests than the configuration allows (see README.md). The counts are in
// shared data, so that all workers of the proxy count together.
package main

import (
	"encoding/binary"
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

// config: at most Requests in a window of Seconds, for each client.
type config struct {
	Requests uint32 `json:"requests"`
	Seconds  int64  `json:"seconds"`
}

type pluginContext struct {
	types.DefaultPluginContext
	config config
}

// OnPluginStart reads the configuration. A failure refuses it: the proxy does not start with it.
func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	p.config = config{Requests: 100, Seconds: 10}
	data, err := proxywasm.GetPluginConfiguration()
	if err == types.ErrorStatusNotFound { // no configuration
		return types.OnPluginStartStatusOK
	}
	if err == nil {
		err = json.Unmarshal(data, &p.config)
	}
	if err == nil && (p.config.Requests == 0 || p.config.Seconds <= 0) {
		err = fmt.Errorf(`it needs "requests" and "seconds" above 0`)
	}
	if err != nil {
		proxywasm.LogErrorf("ratelimit: configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{config: p.config}
}

type httpContext struct {
	types.DefaultHttpContext
	config    config
	remaining uint32
	counted   bool
}

func (c *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	now := time.Now().Unix()
	window := now / c.config.Seconds
	count, err := countRequest("ratelimit:"+clientAddress(), window)
	if err != nil { // a limit that cannot be kept is no reason to refuse everybody
		proxywasm.LogErrorf("ratelimit: %v", err)
		return types.ActionContinue
	}
	if count > c.config.Requests {
		wait := (window+1)*c.config.Seconds - now
		headers := [][2]string{{"retry-after", strconv.FormatInt(wait, 10)}, {"content-type", "text/plain"}}
		if err := proxywasm.SendHttpResponse(429, headers, []byte("too many requests\n"), -1); err != nil {
			proxywasm.LogErrorf("ratelimit: send response: %v", err)
		}
		return types.ActionPause
	}
	c.counted, c.remaining = true, c.config.Requests-count
	return types.ActionContinue
}

func (c *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	if c.counted {
		_ = proxywasm.ReplaceHttpResponseHeader("x-ratelimit-remaining", strconv.FormatUint(uint64(c.remaining), 10))
	}
	return types.ActionContinue
}

// clientAddress is the address without its port.
func clientAddress() string {
	value, err := proxywasm.GetProperty([]string{"source", "address"})
	if err != nil {
		return "unknown"
	}
	address := string(value)
	if at := strings.LastIndexByte(address, ':'); at >= 0 {
		address = address[:at]
	}
	return address
}

// countRequest adds one and returns the count of this window. A value in shared data is the number of the window
// (8 bytes) and the count (4 bytes); compare-and-swap makes an update of another worker visible as a mismatch.
func countRequest(key string, window int64) (uint32, error) {
	const attempts = 20
	for i := 0; i < attempts; i++ {
		value, cas, err := proxywasm.GetSharedData(key)
		if err != nil && err != types.ErrorStatusNotFound {
			return 0, fmt.Errorf("get shared data: %w", err)
		}
		count := uint32(0)
		if len(value) == 12 && int64(binary.LittleEndian.Uint64(value)) == window {
			count = binary.LittleEndian.Uint32(value[8:])
		}
		next := make([]byte, 12)
		binary.LittleEndian.PutUint64(next, uint64(window))
		binary.LittleEndian.PutUint32(next[8:], count+1)
		err = proxywasm.SetSharedData(key, next, cas) // cas is 0 for a new key, which writes always
		if err == nil {
			return count + 1, nil
		}
		if err != types.ErrorStatusCasMismatch {
			return 0, fmt.Errorf("set shared data: %w", err)
		}
	}
	return 0, fmt.Errorf("%d updates by others came first", attempts)
}
