// What `weir --help` and `weir COMMAND --help` say before the flags: what it is for, by examples.
#pragma once

namespace weir::cli {

inline constexpr const char* kAbout = R"(weir runs WebAssembly plugins (Proxy-Wasm) in stock NGINX.

Examples:
  weir inspect plugin.wasm                       what is in it, and whether Weir runs it
  weir check plugin.wasm                         what is wrong with it, and what to change
  weir request --plugin plugin.wasm /            one request through it, in memory: what it changed, logged and called
  weir run --plugin plugin.wasm                  try it: http://127.0.0.1:8080, a built-in page behind it
  weir run --plugin plugin.wasm --config plugin.json --listen 127.0.0.1:8080 --to http://127.0.0.1:3000
  weir run --file weir.yaml --watch              listeners, upstreams and a chain; reloads what changes
  weir test --plugin plugin.wasm --suite tests.textpb   cases in a file, run in memory
  weir help yaml                                 the keys of that file
  weir bench plugin.wasm                         how fast it is, and where its time goes
  weir call plugin.wasm greet --input you        a function of a plugin of Extism
  weir fuzz plugin.wasm                          requests that make it fail, as a suite for weir test
  weir conformance                               what of Proxy-Wasm works, shown case by case
  weir trace weir.trace --replay                 what plugins did with real requests, done again
  weir cclb --help                               plugins of the cc-lb load balancer
)";

inline constexpr const char* kRunAbout = R"(Serves plugins in stock NGINX: makes a configuration, has NGINX check it, becomes NGINX.

Examples:
  weir run --plugin plugin.wasm
  weir run --plugin auth.wasm --config auth.json --listen 127.0.0.1:8080 --to http://127.0.0.1:3000
  weir run --plugin auth.wasm --config auth.json --plugin waf.wasm --memory 512m --timeout 2s --to http://127.0.0.1:3000
  weir run --file weir.yaml --watch
  weir run --file weir.yaml --print-config       shows the nginx.conf and ends

Plugins run in the order given; each --config and the like belongs to the --plugin before it.
Works as any user on ports from 1024. SIGTERM or Ctrl-C ends it; what follows -- goes to nginx.
)";

inline constexpr const char* kInspectAbout = R"(Says what a plugin is and whether Weir runs it, without running it.

Examples:
  weir inspect plugin.wasm
  weir inspect plugin.wasm --json | jq '.imports[] | select(.offer != "works")'
  weir inspect --properties                      what plugins can read: paths, types, where and when

Exit code 0: Weir loads it; 1: it does not, and the reason is on standard error.
)";

inline constexpr const char* kCheckAbout = R"(Finds what is wrong with a plugin without running it.

Examples:
  weir check plugin.wasm
  weir check plugin.wasm --fix                   what to change, in the SDK that it is made with
  weir check build/*.wasm --strict               for CI: warnings fail, too
  weir check plugin.wasm --json | jq -r '.findings[] | select(.severity == "error") | .message'
  weir check --list                              every check

Exit code 0: no error; 1: an error (with --strict: or a warning); 2: a file that is no module, or a wrong flag.
)";

inline constexpr const char* kBenchAbout = R"(Measures a plugin: requests in memory, through the chain that production has.

Examples:
  weir bench plugin.wasm                                   a GET, 3 seconds
  weir bench plugin.wasm --config plugin.json -X POST -d @body.json -H 'content-type: application/json' --path /v1/items
  weir bench new.wasm --against old.wasm                   in turns; the ratio with its 95 % confidence interval
  weir bench plugin.wasm --flame plugin.svg                where its time goes, by function (keep the names: no strip)
  weir bench plugin.wasm --json | jq .plugin.request_us

Times are of this machine as it is now: compare versions in one run, not runs. docs/bench.md says what each number is.
Exit code 0: measured; 1: the plugin failed at this request; 2: something given is wrong.
)";

inline constexpr const char* kFuzzAbout = R"(Looks for requests that make a plugin fail, in memory, and writes the smallest of them as a suite.

Examples:
  weir fuzz plugin.wasm                                    a minute, on all processors
  weir fuzz plugin.wasm --config plugin.json --time 10m --corpus tests
  weir fuzz plugin.wasm --runs 20000 --seed 7              the same requests again, whatever the machine
  weir fuzz plugin.wasm --out found.yaml && echo none
  weir test --plugin plugin.wasm --suite plugin.fuzz.textpb    fails until the plugin is mended

Requests, responses, chunks of bodies, answers to calls, properties, shared data and ticks are made up, from what the plugin asks for and the
texts in its module. Found are traps, callbacks over their time, memory eaters, results that depend on how a body is cut, and pauses that
never end. docs/fuzz.md says more. Exit code 0: nothing found; 1: something; 2: bad input, or a plugin that does not start.
)";

inline constexpr const char* kRequestAbout = R"(Sends one HTTP request through plugins in memory, without a proxy, and shows what became of it.

Examples:
  weir request --plugin plugin.wasm /hello
  weir request --plugin auth.wasm --config auth.json -H 'authorization: Bearer x' /admin
  weir request --plugin a.wasm --plugin b.wasm -X POST --data @form.txt --chunk 16 /form --response-body @page.html
  weir request --plugin auth.wasm --answer 'authz=200 granted' /admin     what an upstream that it calls answers
  weir request --plugin plugin.wasm --explain /hello                      each callback and host call, and why one was refused

Plugins run in the order given, by the chain that NGINX runs; time stands still but for ticks and answers that are waited for.
Exit code 0: done, whatever the response is; 1: a plugin failed (trap, time-out, refused configuration, paused for ever); 2: bad input.
)";

inline constexpr const char* kTraceAbout = R"(Shows what plugins saw and did for real requests (weir_record in nginx.conf), or plays it again.

Examples:
  weir trace weir.trace                          all of it, for a person
  weir trace weir.trace --id 4711.1763750401-12  one request
  weir trace weir.trace --replay                 against the plugins that were recorded: no difference
  weir trace weir.trace --plugin new.wasm        against another version: the first difference
  weir trace weir.trace --plugin auth=new.wasm --ignore log

No NGINX and no upstream is needed: the plugin sees what it saw then. Exit code 0: printed, or no difference; 1: a difference; 2: bad input.
)";

inline constexpr const char* kConformanceAbout = R"(Runs the conformance suite of Proxy-Wasm in memory.

Examples:
  weir conformance                               all of it, in seconds
  weir conformance --filter http-fields          cases with that in their name; '*' and '?' as in a shell
  weir conformance --filter get-status --show    their text
  weir conformance --json | jq .rules            totals by rule
  weir conformance --export cases                guests, traffic and transcripts, for other hosts

Cases are texts: docs/conformance.md has their format. Exit code 0: all pass; 1: one does not.
)";

}  // namespace weir::cli
