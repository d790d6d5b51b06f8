// Tells the upstream where a client is, by a table of networks (see plugins/teach/README.md).
package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// Registration belongs into init: in a module without a command (c-shared) nobody calls main.
func init() { proxywasm.SetVMContext(&vmContext{}) }

func main() {}

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(uint32) types.PluginContext { return &pluginContext{} }

// table finds the longest of the networks that an address is in: one map, looked up once for each length that occurs.
type table struct {
	regions map[netip.Prefix]string
	lengths []int // longest first
}

func newTable(networks map[netip.Prefix]string) table {
	t := table{regions: map[netip.Prefix]string{}}
	for network, region := range networks {
		t.regions[network.Masked()] = region // 192.0.2.7/24 is 192.0.2.0/24
		if !slices.Contains(t.lengths, network.Bits()) {
			t.lengths = append(t.lengths, network.Bits())
		}
	}
	slices.Sort(t.lengths)
	slices.Reverse(t.lengths)
	return t
}

func (t table) find(address netip.Addr) (string, bool) {
	for _, bits := range t.lengths {
		if network, err := address.Prefix(bits); err == nil { // an error: longer than an IPv4 address is
			if region, found := t.regions[network]; found {
				return region, true
			}
		}
	}
	return "", false
}

type config struct {
	Header    string                  `json:"header"`
	Otherwise string                  `json:"otherwise"`
	Networks  map[netip.Prefix]string `json:"networks"`
	Proxies   []netip.Prefix          `json:"proxies"`
}

type pluginContext struct {
	types.DefaultPluginContext
	config config
	table  table
}

// OnPluginStart reads the configuration. A failure refuses it: the proxy does not start with it.
func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	data, err := proxywasm.GetPluginConfiguration()
	if err == nil {
		err = json.Unmarshal(data, &p.config) // netip.Prefix reads itself, and refuses what is no network
	}
	if err == nil && (p.config.Header == "" || p.config.Otherwise == "") {
		err = fmt.Errorf(`it needs "header" and "otherwise"`)
	}
	if err != nil {
		proxywasm.LogErrorf("geo: configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.table = newTable(p.config.Networks)
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext { return &httpContext{plugin: p} }

type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
}

func (h *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	region := h.plugin.config.Otherwise
	if address, known := h.client(); known {
		if found, is := h.plugin.table.find(address); is {
			region = found
		}
	}
	// Replaced, not added: what the client sent under this name does not reach the upstream.
	if err := proxywasm.ReplaceHttpRequestHeader(h.plugin.config.Header, region); err != nil {
		proxywasm.LogErrorf("geo: %v", err)
	}
	return types.ActionContinue
}

// client is the address of the connection. Only when that is one of our own proxies, x-forwarded-for is read, from its end:
// each proxy has written whom it saw there, and the first that is not ours is the client. What is before it, anybody can write.
func (h *httpContext) client() (netip.Addr, bool) {
	source, err := proxywasm.GetProperty([]string{"source", "address"})
	if err != nil {
		return netip.Addr{}, false
	}
	address, known := parse(string(source))
	if !known || !h.ours(address) {
		return address, known
	}
	forwarded, _ := proxywasm.GetHttpRequestHeader("x-forwarded-for")
	hops := strings.Split(forwarded, ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, is := parse(strings.TrimSpace(hops[i]))
		if !is {
			break // nonsense: the last one that was understood stays
		}
		if address = hop; !h.ours(hop) {
			break
		}
	}
	return address, true
}

func (h *httpContext) ours(address netip.Addr) bool {
	return slices.ContainsFunc(h.plugin.config.Proxies, func(proxy netip.Prefix) bool { return proxy.Contains(address) })
}

// parse reads "192.0.2.1:80", "[2001:db8::1]:80" or an address alone. ::ffff:192.0.2.1 is the IPv4 address in it.
func parse(text string) (netip.Addr, bool) {
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both.Addr().Unmap(), true
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}
