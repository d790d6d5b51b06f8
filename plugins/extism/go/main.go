// Everything that a plugin of Extism can ask for, one function each (plugins/extism/README.md).
package main

import (
	"fmt"
	"strconv"

	"github.com/extism/go-pdk"
)

//go:wasmimport extism:host/user upper
func upper(text uint64) uint64

// Input, output, configuration, log.
//
//go:wasmexport greet
func greet() int32 {
	greeting, found := pdk.GetConfig("greeting")
	if !found {
		greeting = "Hello"
	}
	pdk.Log(pdk.LogInfo, "greeting "+pdk.InputString())
	pdk.OutputString(greeting + ", " + pdk.InputString() + "!")
	return 0
}

// A variable: it lives as long as the plugin.
//
//go:wasmexport count
func count() int32 {
	before, _ := strconv.Atoi(string(pdk.GetVar("count")))
	after := strconv.Itoa(before + 1)
	pdk.SetVar("count", []byte(after))
	pdk.OutputString(after)
	return 0
}

// An error, with a code of its own.
//
//go:wasmexport double
func double() int32 {
	value, err := strconv.ParseUint(pdk.InputString(), 10, 32)
	if err != nil {
		pdk.SetErrorString("not a number: " + pdk.InputString())
		return 3
	}
	pdk.OutputString(strconv.FormatUint(value*2, 10))
	return 0
}

// A request, to a host that the manifest allows.
//
//go:wasmexport fetch
func fetch() int32 {
	response := pdk.NewHTTPRequest(pdk.MethodGet, pdk.InputString()).SetHeader("x-plugin", "go").Send()
	pdk.OutputString(fmt.Sprintf("%d %s", response.Status(), response.Body()))
	return 0
}

// A function of the host.
//
//go:wasmexport shout
func shout() int32 {
	text := pdk.AllocateString(pdk.InputString())
	pdk.OutputString(pdk.ParamString(upper(text.Offset())))
	return 0
}

func main() {}
