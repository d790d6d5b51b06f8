// Coraza, the OWASP web application firewall, as a Proxy-Wasm filter built with plain Go.
package main

import (
	"github.com/corazawaf/coraza-proxy-wasm/wasmplugin"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
)

func init() { proxywasm.SetVMContext(wasmplugin.NewVMContext()) }

func main() {}
