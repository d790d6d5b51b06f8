// Puts its configuration into a header of every response (see README.md).
export * from "@solo-io/proxy-runtime/proxy"; // the functions that the host calls
import {
  Context,
  FilterHeadersStatusValues,
  RootContext,
  registerRootContext,
  stream_context,
} from "@solo-io/proxy-runtime";

/** One for each request. */
class Stamp extends Context {
  constructor(id: u32, root: RootContext, private text: string) {
    super(id, root);
  }

  onResponseHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.response.add("x-stamp", this.text);
    return FilterHeadersStatusValues.Continue;
  }
}

/** One for the plugin. */
class StampRoot extends RootContext {
  createContext(id: u32): Context {
    const text = this.getConfiguration();
    return new Stamp(id, this, text.length > 0 ? text : "none");
  }
}

// The SDK finds the plugin by the root id that the proxy gives: ours, or none at all.
registerRootContext((id: u32) => new StampRoot(id), "stamp");
registerRootContext((id: u32) => new StampRoot(id), "");
