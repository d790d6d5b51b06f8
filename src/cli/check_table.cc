// Every check: its name, how bad it is, and what to change. docs/check.md lists the same rows (a test compares).
#include "cli/check.h"

namespace weir::cli {
namespace {

using enum Severity;
using Fixes = std::array<std::string_view, kLanguages>;

// Fixes in the order Rust, Go, C++, AssemblyScript.
constexpr Fixes kTakeFromSdk = {
    "call the crate proxy-wasm (proxy_wasm::hostcalls) in place of an extern block of your own",
    "call the package proxywasm of the SDK in place of a //go:wasmimport of your own",
    "include proxy_wasm_intrinsics.h in place of a declaration of your own",
    "call @solo-io/proxy-runtime in place of an @external declaration of your own",
};
constexpr Fixes kCallbackOfSdk = {
    "implement the method of the trait HttpContext, StreamContext or RootContext: the crate exports the callback with the right type",
    "implement the method of types.HttpContext, types.TcpContext or types.PluginContext: the SDK exports the callback",
    "override the method of Context or RootContext: the SDK exports the callback",
    "override the method of Context or RootContext, and re-export the SDK: export * from \"@solo-io/proxy-runtime/proxy\"",
};

constexpr CheckRow kRows[] = {
    {CheckId::kNotAPlugin, "not-a-plugin", kError, "no marker of Proxy-Wasm, no import of Extism: Weir does not know what it is",
     "build it with an SDK, and export proxy_abi_version_0_2_1",
     {"crate-type = [\"cdylib\"] in Cargo.toml, and proxy_wasm::main! { … } in lib.rs",
      "import the SDK and build with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared",
      "link the SDK whole (--whole-archive, or alwayslink in Bazel): its exports are dropped otherwise",
      "end assembly/index.ts with: export * from \"@solo-io/proxy-runtime/proxy\""}},
    {CheckId::kInvalidCode, "invalid-code", kError, "the compiler refuses the code: damaged, or a feature of WebAssembly that the engine lacks",
     "build without the feature that the message names, or build the file again",
     {"RUSTFLAGS=\"-C target-feature=-NAME\"", "", "clang: -mno-NAME", "asc: --disable NAME"}},
    {CheckId::kNotLoaded, "not-loaded", kError, "Weir does not load it, for a reason that no other check has", "", {}},
    {CheckId::kImportUnknown, "import-unknown", kError, "imports a function that Weir does not have: the nearest name follows",
     "", kTakeFromSdk},
    {CheckId::kImportSignature, "import-signature", kError, "imports a function with other types than the specification's",
     "", kTakeFromSdk},
    {CheckId::kImportVersion, "import-version", kError, "imports a function of another ABI version than its marker says",
     "let the SDK alone export the marker, and use one release of it",
     {"cargo tree -d: keep one release of the crate proxy-wasm", "", "", ""}},
    {CheckId::kImportStub, "import-stub", kError, "imports something that no proxy has: what a toolchain for browsers or a missing library leaves behind",
     "",
     {"find the crate (cargo tree -i wasm-bindgen) and turn off its feature for browsers (getrandom: js; chrono: wasmbind; uuid: js), or build for wasm32-wasip1",
      "build with GOOS=wasip1, not GOOS=js",
      "link the library that defines it, without --allow-undefined (Emscripten: -sERROR_ON_UNDEFINED_SYMBOLS=1 -sSTANDALONE_WASM); exceptions: -fno-exceptions",
      "asc --use abort=abort_proc_exit; Math.random, Date.now and trace need a host that no proxy is"}},
    {CheckId::kImportKind, "import-kind", kError, "imports a memory, table or global: a plugin brings its own",
     "",
     {"leave out -C link-arg=--import-memory and --import-table", "", "leave out -Wl,--import-memory, --import-table and -shared (Emscripten: -sSIDE_MODULE)",
      "leave out --importMemory and --importTable"}},
    {CheckId::kNoMemory, "no-memory", kError, "exports no memory named \"memory\"",
     "link with --export-memory", {"", "", "-Wl,--export-memory", "asc: leave out --noExportMemory"}},
    {CheckId::kMemoryMinimum, "memory-minimum", kError, "begins with more memory than it may have",
     "raise memory= of the plugin (weir_plugin … memory=512m; here: --memory 512m)",
     {"look for large statics and arrays", "embed less data: //go:embed is in memory from the start", "-Wl,--initial-memory= (Emscripten: -sINITIAL_MEMORY=)",
      "asc --initialMemory PAGES"}},
    {CheckId::kCallbackSignature, "callback-signature", kError, "a callback has other types than the specification's", "", kCallbackOfSdk},
    {CheckId::kAllocatorSignature, "allocator-signature", kError, "proxy_on_memory_allocate or malloc is not (i32) -> i32",
     "", {"leave it to the crate proxy-wasm", "leave it to the SDK", "", ""}},
    {CheckId::kStartSignature, "start-signature", kError, "_initialize or _start takes or returns something", "it is () -> ()", {}},
    {CheckId::kNoAllocator, "no-allocator", kWarning,
     "no proxy_on_memory_allocate and no malloc, but functions that return bytes: they answer INVALID_MEMORY_ACCESS",
     "export proxy_on_memory_allocate(i32) -> i32, or malloc",
     {"the crate proxy-wasm has one: link it as a cdylib, without a list of exports of your own", "import the SDK: it exports one",
      "-Wl,--export=malloc (Emscripten: -sEXPORTED_FUNCTIONS=_malloc)", "end assembly/index.ts with: export * from \"@solo-io/proxy-runtime/proxy\""}},
    {CheckId::kNoStart, "no-start", kWarning, "nothing runs at the start, so the SDK knows no context and panics at the first request",
     "",
     {"proxy_wasm::main! {{ proxy_wasm::set_http_context(…) }}; before 0.2.0: #[no_mangle] pub fn _start()", "-buildmode=c-shared, and register in init()", "", ""}},
    {CheckId::kCallbackUnknown, "callback-unknown", kWarning, "looks like a callback, and nothing calls it: the nearest name follows", "", kCallbackOfSdk},
    {CheckId::kCallbackNeverCalled, "callback-never-called", kWarning, "a callback for answers, ticks or items that the plugin never asks for",
     "leave it out, or import the function that asks", {}},
    {CheckId::kAnswerUnheard, "answer-unheard", kWarning, "the plugin asks for answers, ticks or items, and has no callback for them", "", kCallbackOfSdk},
    {CheckId::kNoCallbacks, "no-callbacks", kWarning, "no callback for streams, ticks or queues: nothing ever calls it", "", kCallbackOfSdk},
    {CheckId::kSdkPanics, "sdk-panics", kWarning, "calls a function whose ordinary refusal makes this SDK panic",
     "",
     {"", "", "", "ask get_property for what is there, or declare proxy_call_foreign_function yourself and look at its status"}},
    {CheckId::kDebugInfo, "debug-info", kWarning, "DWARF is inside: larger to ship, of no use to the proxy",
     "wasm-opt --strip-dwarf, or llvm-strip --strip-debug: function names stay for backtraces",
     {"[profile.release] debug = false in Cargo.toml (strip = \"debuginfo\" for that of the standard library)", "-ldflags=\"-s -w\"; TinyGo: -no-debug",
      "leave out -g, or -Wl,--strip-debug", "asc without --debug"}},
    {CheckId::kSize, "size", kWarning, "the file is large: 8 MiB, or --max-size",
     "wasm-opt -Oz; compiled once, it comes from the cache (docs/nginx.md)",
     {"[profile.release] opt-level = \"s\", lto = true, codegen-units = 1, panic = \"abort\"", "-ldflags=\"-s -w\", and look at what is imported (go list -deps)",
      "-Os -flto -Wl,--gc-sections", "asc -O3s --runtime minimal"}},
    {CheckId::kCompileTime, "compile-time", kWarning, "compiling takes long: 5 s of CPU time, or --max-compile",
     "compiled code is kept in the cache: nginx -t fills it before a reload", {}},
    {CheckId::kCustomSection, "custom-section", kWarning, "a custom section is damaged; readers ignore it", "build it again, or strip that section", {}},
    {CheckId::kMemoryMaximum, "memory-maximum", kNote, "its own maximum of memory is none, or over what it may have: growing ends at memory=",
     "", {"-C link-arg=--max-memory=BYTES", "", "-Wl,--max-memory=BYTES (Emscripten: -sMAXIMUM_MEMORY=)", "asc --maximumMemory PAGES"}},
    {CheckId::kCallbackLeftover, "callback-leftover", kNote, "callbacks that the SDK exports and that will not be called in this plugin", "", {}},
    {CheckId::kSdkPanicsStrict, "sdk-panics-strict", kNote, "functions whose refusal makes this SDK panic: under statuses=strict, and in other proxies",
     "statuses=lenient (the default) answers only what the SDK survives",
     {"give the host no reason: check names and values of headers before they are written", "define a metric by one type alone", "define a metric by one type alone", ""}},
    {CheckId::kWasiRefused, "wasi-refused", kNote, "imports WASI functions for files and sockets: they link, and answer BADF or NOSYS",
     "put what it reads into the plugin's configuration", {}},
    {CheckId::kNoNames, "no-names", kNote, "no function names: backtraces show numbers",
     "keep the name section",
     {"strip = \"debuginfo\", not strip = true", "-ldflags without -s", "-Wl,--strip-debug, not --strip-all", "asc --debug"}},
    {CheckId::kAbiVersion, "abi-version", kNote, "an old ABI version, or several markers",
     "", {"the crate proxy-wasm from 0.2.0 on has ABI 0.2.1", "", "", "a newer release of @solo-io/proxy-runtime has ABI 0.2.1"}},
    {CheckId::kExtismNotRun, "extism-not-run", kNote, "a plugin of Extism: checked as one; weir call runs it, NGINX does not", "", {}},
    {CheckId::kExtismNoFunctions, "extism-no-functions", kWarning, "exports no function () -> i32 that a host could call",
     "", {"#[plugin_fn] pub fn name(input: …) -> FnResult<…>", "//go:wasmexport name, func name() int32", "EXTISM_EXPORTED_FUNCTION(name)", "export function name(): i32"}},
    {CheckId::kExtismExport, "extism-export", kNote, "exported functions that take arguments: a host of Extism cannot call them", "", {}},
    {CheckId::kExtismHostFunction, "extism-host-function", kNote, "host functions of the application: it has to bring them", "", {}},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < std::size(kRows); ++i)
    if (size_t(kRows[i].id) != i) return false;
  return true;
}
static_assert(InOrder());
static_assert(std::size(kRows) == size_t(CheckId::kExtismHostFunction) + 1);

}  // namespace

std::span<const CheckRow> CheckRows() { return kRows; }
const CheckRow& RowOf(CheckId id) { return kRows[size_t(id)]; }

std::string_view SeverityName(Severity severity) {
  constexpr std::string_view kNames[] = {"note", "warning", "error"};
  return kNames[size_t(severity)];
}

std::string_view LanguageName(Language language) {
  constexpr std::string_view kNames[] = {"", "Rust", "Go", "C++", "AssemblyScript"};
  return kNames[size_t(language)];
}

}  // namespace weir::cli
