// Says which other sites' scripts may use this one (CORS), so that the servers behind need not know (see plugins/teach/README.md).
export * from "@solo-io/proxy-runtime/proxy"; // the functions that the host calls
import {
  Context,
  FilterHeadersStatusValues,
  GrpcStatusValues,
  HeaderPair,
  LogLevelValues,
  RootContext,
  log,
  registerRootContext,
  send_local_response,
  stream_context,
} from "@solo-io/proxy-runtime";
import { BufferTypeValues, get_buffer_bytes } from "@solo-io/proxy-runtime/runtime";

const ANSWERS = ["origin", "credentials", "methods", "headers", "max-age"]; // of access-control-allow-…, but for the last

/** What the configuration says: lines of a word and a value. */
class Config {
  origins: string[] = [];
  methods: string = "GET, HEAD, POST";
  headers: string = "";
  maxAge: string = "600";
  credentials: bool = false;

  /** Whether the line could be read. */
  read(line: string): bool {
    const space = line.indexOf(" ");
    const word = space < 0 ? line : line.substring(0, space);
    const value = space < 0 ? "" : line.substring(space + 1).trim();
    if (word == "origin" && isOrigin(value)) this.origins.push(value);
    else if (word == "methods" && value.length > 0) this.methods = value;
    else if (word == "headers" && value.length > 0) this.headers = value;
    else if (word == "max-age" && isNumber(value)) this.maxAge = value;
    else if (word == "credentials" && (value == "yes" || value == "no")) this.credentials = value == "yes";
    else return false;
    return true;
  }
}

/**
 * SCHEME://HOST[:PORT], as browsers write it: lower case, no path. No pattern and no "*": origins are compared whole, since
 * "ends with example.org" is true of evil-example.org, too. "null" is what any sandboxed page says, so it is nobody.
 */
function isOrigin(text: string): bool {
  const scheme = text.indexOf("://");
  if (scheme < 0 || text.length == scheme + 3 || text.toLowerCase() != text) return false;
  return text.indexOf("/", scheme + 3) < 0 && text.indexOf("*") < 0;
}

function isNumber(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return false;
  }
  return text.length > 0;
}

function header(name: string, value: string): HeaderPair {
  return new HeaderPair(String.UTF8.encode(name), String.UTF8.encode(value));
}

/** One for each request. */
class Cors extends Context {
  private origin: string = ""; // of the asking page; empty where it is of no interest any more
  private allowed: bool = false;
  private answered: bool = false;

  constructor(id: u32, root: RootContext, private config: Config) {
    super(id, root);
  }

  onRequestHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    const request = stream_context.headers.request;
    this.origin = request.get("origin");
    this.allowed = this.origin.length > 0 && this.config.origins.includes(this.origin);
    const preflight = request.get(":method") == "OPTIONS" && request.get("access-control-request-method").length > 0;
    if (this.origin.length == 0 || !preflight) return FilterHeadersStatusValues.Continue;

    // The browser asks before it sends what a form could not. It is answered here; the server never sees the question.
    // Without the headers of a yes the browser does not send the request.
    this.answered = true;
    const headers = [header("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")];
    if (this.allowed) {
      headers.push(header("access-control-allow-origin", this.origin));
      headers.push(header("access-control-allow-methods", this.config.methods));
      headers.push(header("access-control-max-age", this.config.maxAge));
      if (this.config.headers.length > 0) headers.push(header("access-control-allow-headers", this.config.headers));
      if (this.config.credentials) headers.push(header("access-control-allow-credentials", "true"));
    }
    send_local_response(this.allowed ? 204 : 403, "cors", new ArrayBuffer(0), headers, GrpcStatusValues.InvalidCode);
    return FilterHeadersStatusValues.StopIteration;
  }

  /**
   * The answer to the request itself. It was carried out whatever is said here: CORS keeps a foreign script from reading, not
   * from sending. What changes something on a server needs a protection of its own.
   */
  onResponseHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    if (this.answered) return FilterHeadersStatusValues.Continue; // our own answer, which passes here, too
    const response = stream_context.headers.response;
    for (let i = 0; i < ANSWERS.length; i++) {
      response.remove("access-control-" + (ANSWERS[i] == "max-age" ? "" : "allow-") + ANSWERS[i]); // one place decides
    }
    response.add("vary", "Origin"); // a cache keeps the answers to different pages apart, also that to none
    if (this.allowed) {
      response.replace("access-control-allow-origin", this.origin);
      if (this.config.credentials) response.replace("access-control-allow-credentials", "true");
    }
    return FilterHeadersStatusValues.Continue;
  }
}

/** One for the plugin. */
class CorsRoot extends RootContext {
  private config: Config = new Config();

  onConfigure(size: u32): bool {
    const text = size > 0 ? String.UTF8.decode(get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, size)) : "";
    const lines = text.split("\n");
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i].trim();
      if (line.length == 0 || line.startsWith("#") || this.config.read(line)) continue;
      log(LogLevelValues.error, "cors: configuration: \"" + line + "\": not one of origin SCHEME://HOST, methods, headers, max-age, credentials yes");
      return false; // refuses it: the proxy does not start with it
    }
    return true;
  }

  createContext(id: u32): Context {
    return new Cors(id, this, this.config);
  }
}

// The SDK finds the plugin by the root id that the proxy gives: ours, or none at all.
registerRootContext((id: u32) => new CorsRoot(id), "cors");
registerRootContext((id: u32) => new CorsRoot(id), "");
