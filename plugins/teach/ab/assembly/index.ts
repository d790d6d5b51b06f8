// Puts each visitor into one of several buckets and keeps him there; the upstream reads in a header which one (see plugins/teach/README.md).
export * from "@solo-io/proxy-runtime/proxy"; // the functions that the host calls
import {
  Context,
  FilterHeadersStatusValues,
  LogLevelValues,
  RootContext,
  log,
  registerRootContext,
  stream_context,
} from "@solo-io/proxy-runtime";
import { BufferTypeValues, get_buffer_bytes, get_current_time_nanoseconds } from "@solo-io/proxy-runtime/runtime";

/** What the configuration says: lines of a word and a value. */
class Config {
  test: string = ""; // its name: that of the cookie, and behind x- that of the header
  user: string = ""; // a header that names the user, if there is one
  days: u32 = 30;
  names: string[] = [];
  weights: u32[] = [];
  sum: u32 = 0;

  /** Whether the line could be read. */
  read(line: string): bool {
    const words = line.split(" ");
    if (words.length == 2 && words[0] == "test" && isName(words[1])) this.test = words[1];
    else if (words.length == 2 && words[0] == "user" && isName(words[1])) this.user = words[1];
    else if (words.length == 2 && words[0] == "days" && isNumber(words[1])) this.days = <u32>parseInt(words[1]);
    else if (words.length == 3 && words[0] == "bucket" && isName(words[1]) && isNumber(words[2])) {
      this.names.push(words[1]);
      this.weights.push(<u32>parseInt(words[2]));
      this.sum += <u32>parseInt(words[2]);
    } else return false;
    return true;
  }

  /** The bucket of a hash: as many of a thousand as its weight says. */
  bucket(hash: u32): string {
    let left = hash % this.sum;
    for (let i = 0; i < this.names.length; i++) {
      if (left < this.weights[i]) return this.names[i];
      left -= this.weights[i];
    }
    return this.names[0]; // not reached: the weights add up to the sum
  }
}

/** Letters, digits and "-": what needs no escape in a cookie or header. */
function isName(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (!((c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39) || c == 0x2d)) return false;
  }
  return text.length > 0;
}

function isNumber(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return false;
  }
  return text.length > 0 && text.length < 6;
}

/** FNV-1a, and a mixing step behind it: without that, names that differ in the last letter fall into neighbouring buckets. */
function hash(text: string): u32 {
  const bytes = Uint8Array.wrap(String.UTF8.encode(text));
  let h: u32 = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) h = (h ^ bytes[i]) * 0x01000193;
  h = (h ^ (h >> 16)) * 0x85ebca6b;
  h = (h ^ (h >> 13)) * 0xc2b2ae35;
  return h ^ (h >> 16);
}

/** The value of a cookie, or nothing. */
function cookie(name: string): string {
  const pairs = stream_context.headers.request.get("cookie").split(";");
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i].trim();
    if (pair.startsWith(name + "=")) return pair.substring(name.length + 1);
  }
  return "";
}

/** One for each request. */
class Ab extends Context {
  private given: string = ""; // a bucket that the visitor does not know of yet

  constructor(id: u32, root: RootContext, private config: Config) {
    super(id, root);
  }

  onRequestHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    const config = this.config;
    const user = config.user.length > 0 ? stream_context.headers.request.get(config.user) : "";
    let bucket: string;
    if (user.length > 0) {
      // The same on all devices of a user, without a cookie. The name of the test is hashed, too: else the same users would be
      // the first to try everything.
      bucket = config.bucket(hash(config.test + "/" + user));
    } else {
      bucket = cookie(config.test);
      // What is in a cookie anybody can write: only a bucket that there is counts, and no text of a client goes any further.
      if (!config.names.includes(bucket)) {
        // No secret hangs on it, so time and number of the request are random enough.
        bucket = config.bucket(hash(get_current_time_nanoseconds().toString() + "/" + this.context_id.toString()));
        this.given = bucket;
      }
    }
    stream_context.headers.request.replace("x-" + config.test, bucket);
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    const config = this.config;
    const response = stream_context.headers.response;
    // A cache that does not know of buckets would show one visitor's page to all.
    response.add("vary", config.user.length > 0 ? "Cookie, " + config.user : "Cookie");
    if (this.given.length > 0) {
      const age = (config.days * 86400).toString();
      response.add("set-cookie", config.test + "=" + this.given + "; Path=/; Max-Age=" + age + "; HttpOnly; SameSite=Lax");
    }
    return FilterHeadersStatusValues.Continue;
  }
}

/** One for the plugin. */
class AbRoot extends RootContext {
  private config: Config = new Config();

  onConfigure(size: u32): bool {
    const text = size > 0 ? String.UTF8.decode(get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, size)) : "";
    const lines = text.split("\n");
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i].trim();
      if (line.length == 0 || line.startsWith("#") || this.config.read(line)) continue;
      log(LogLevelValues.error, "ab: configuration: \"" + line + "\": not one of test NAME, bucket NAME WEIGHT, user HEADER, days NUMBER");
      return false; // refuses it: the proxy does not start with it
    }
    if (this.config.test.length > 0 && this.config.sum > 0) return true;
    log(LogLevelValues.error, "ab: configuration: it needs a test and a bucket with a weight above 0");
    return false;
  }

  createContext(id: u32): Context {
    return new Ab(id, this, this.config);
  }
}

// The SDK finds the plugin by the root id that the proxy gives: ours, or none at all.
registerRootContext((id: u32) => new AbRoot(id), "ab");
registerRootContext((id: u32) => new AbRoot(id), "");
