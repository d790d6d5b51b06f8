// Puts its configuration into a header of every response (see README.md).
export * from "@solo-io/proxy-runtime/proxy"; // the functions that the host calls
import {
  Context,
  FilterHeadersStatusValues,
  RootContext,
  registerRootContext,
  stream_context,
} from "@solo-io/proxy-runtime";
import { BufferTypeValues, get_buffer_bytes } from "@solo-io/proxy-runtime/runtime";

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
  private text: string = "none";

  // Reads the configuration itself: what the SDK's RootContext reads is empty when the plugin has no root id, since it
  // takes the size of an earlier answer for the size of this one.
  onConfigure(size: u32): bool {
    if (size > 0) {
      const bytes = get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, size);
      this.text = String.UTF8.decode(bytes).trim(); // a header has no line ends
    }
    return true;
  }

  createContext(id: u32): Context {
    return new Stamp(id, this, this.text);
  }
}

// The SDK finds the plugin by the root id that the proxy gives: ours, or none at all.
registerRootContext((id: u32) => new StampRoot(id), "stamp");
registerRootContext((id: u32) => new StampRoot(id), "");
