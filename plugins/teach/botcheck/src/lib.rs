//! Tells robots from browsers: rules for user agents, and for those that no rule knows a page that only a browser gets past (see plugins/teach/README.md).

use hmac::{Hmac, Mac};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;
use sha2::Sha256;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

const COOKIE: &str = "weir_browser";

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Allow,
    Deny,
    Challenge,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Found anywhere in the user agent, without case. Anybody can write any name: "allow" is for what does no harm when forged.
    agent: String,
    action: Verdict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// At least 32 characters of which nobody knows any; the same for all proxies of a site.
    secret: String,
    /// The first one that fits counts.
    #[serde(default)]
    rules: Vec<Rule>,
    otherwise: Verdict,
    /// How long a browser that passed is left alone.
    minutes: u64,
}

impl Config {
    fn verdict(&self, agent: &str) -> Verdict {
        let agent = agent.to_ascii_lowercase();
        let fits = |rule: &&Rule| agent.contains(&rule.agent.to_ascii_lowercase());
        self.rules.iter().find(fits).map_or(self.otherwise, |rule| rule.action)
    }

    /// A pass says until when (Unix seconds) and is signed with that, the client's address and agent: one that is stolen, kept for
    /// long or given to other machines is worth nothing. The sizes in between keep two fields from being read as other two.
    fn mac(&self, expires: u64, address: &str, agent: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes keys of any size");
        for part in [COOKIE, &expires.to_string(), address, agent] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    fn pass(&self, now: u64, address: &str, agent: &str) -> String {
        let expires = now + self.minutes * 60;
        format!("{expires}.{}", hex(&self.mac(expires, address, agent).finalize().into_bytes()))
    }

    fn is_pass(&self, pass: &str, now: u64, address: &str, agent: &str) -> bool {
        let Some((expires, mac)) = pass.split_once('.') else { return false };
        let (Ok(expires), Some(mac)) = (expires.parse::<u64>(), unhex(mac)) else { return false };
        // verify_slice takes as long wherever the difference is: == would tell how many bytes were guessed right.
        now < expires && self.mac(expires, address, agent).verify_slice(&mac).is_ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| (*byte as char).to_digit(16);
    text.as_bytes().chunks(2).map(|two| Some((digit(two.first()?)? * 16 + digit(two.get(1)?)?) as u8)).collect()
}

/// The page that a browser gets past: it runs the script, and asks again with the cookie. `pass` is digits, letters and a dot, so
/// there is nothing in it to escape.
fn page(pass: &str, minutes: u64) -> String {
    let age = minutes * 60;
    format!(
        "<!doctype html><title>One moment</title><p>One moment, please.<noscript> This page needs JavaScript.</noscript>\
         <script>document.cookie=\"{COOKIE}={pass}; path=/; max-age={age}; samesite=lax\";\
         if(document.cookie.includes(\"{COOKIE}=\"))location.reload()</script>\n"
    )
}

fn cookie<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    cookies.split(';').filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// One for the plugin: reads the configuration, and makes a `Filter` for each request.
#[derive(Default)]
struct Root {
    config: Option<Rc<Config>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match serde_json::from_slice::<Config>(&bytes) {
            Ok(config) if config.secret.len() >= 32 && (1..=525_600).contains(&config.minutes) => self.config = Some(Rc::new(config)),
            Ok(_) => log::error!("botcheck: configuration: \"secret\" needs 32 characters or more, \"minutes\" is 1 to 525600"),
            Err(error) => log::error!("botcheck: configuration: {error}"),
        }
        self.config.is_some()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { config: self.config.clone()? }))
    }
}

/// One for each request.
struct Filter {
    config: Rc<Config>,
}

impl Filter {
    fn answer(&self, kind: &str, body: &str) -> Action {
        let headers = vec![("content-type", kind), ("cache-control", "no-store"), ("vary", "user-agent, cookie")];
        self.send_http_response(403, headers, Some(body.as_bytes()));
        Action::Pause
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        // As bytes: a client may send any, and get_http_request_header panics on what is no UTF-8.
        let header = |name: &str| String::from_utf8_lossy(&self.get_http_request_header_bytes(name).unwrap_or_default()).into_owned();
        let path = header(":path");
        if path.split('?').next() == Some("/robots.txt") {
            return Action::Continue; // where well-behaved robots read what they may do
        }
        let agent = header("user-agent");
        match self.config.verdict(&agent) {
            Verdict::Allow => return Action::Continue,
            Verdict::Deny => return self.answer("text/plain", "not for robots\n"),
            Verdict::Challenge => {}
        }
        let source = String::from_utf8(self.get_property(vec!["source", "address"]).unwrap_or_default()).unwrap_or_default();
        let address = source.rsplit_once(':').map_or(source.as_str(), |(address, _port)| address);
        let now = self.get_current_time().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if cookie(&header("cookie"), COOKIE).is_some_and(|pass| self.config.is_pass(pass, now, address, &agent)) {
            return Action::Continue;
        }
        // Only what a person asked for by a click can show a page; a form, a script or an image gets a plain refusal.
        if header(":method") != "GET" || !header("accept").contains("text/html") {
            return self.answer("text/plain", "open the site in a browser first\n");
        }
        self.answer("text/html; charset=utf-8", &page(&self.config.pass(now, address, &agent), self.config.minutes))
    }
}
