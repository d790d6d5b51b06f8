//! Rewrites HTML as it streams by: sets and removes attributes, inserts before, into and after elements (see plugins/teach/README.md).

use lol_html::html_content::{ContentType, Element};
use lol_html::{ElementContentHandlers, HtmlRewriter, MemorySettings, OutputSink, Selector, Settings};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

/// What one page may hold back: a tag or comment that does not end until then is no ordinary page.
const REWRITER_BYTES_MAX: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// A CSS selector.
    select: String,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    remove: Vec<String>,
    /// HTML of the operator, inserted as it is: behind the start tag, before the end tag.
    prepend: Option<String>,
    append: Option<String>,
}

type Rules = Vec<(Selector, Rule)>;

fn parse(bytes: &[u8]) -> Result<Rules, String> {
    let rules: Vec<Rule> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let parsed = |rule: Rule| match rule.select.parse() {
        Ok(selector) => Ok((selector, rule)),
        Err(error) => Err(format!("selector {:?}: {error}", rule.select)),
    };
    rules.into_iter().map(parsed).collect()
}

/// Where the rewriter puts what is finished. Shared with the filter, which empties it after each chunk.
#[derive(Clone, Default)]
struct Output(Rc<RefCell<Vec<u8>>>);

impl OutputSink for Output {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.borrow_mut().extend_from_slice(chunk);
    }
}

fn rewriter(rules: &Rc<Rules>, output: Output) -> HtmlRewriter<'static, Output> {
    let handler = |index: usize| {
        let (selector, rules) = (rules[index].0.clone(), rules.clone());
        let handlers = ElementContentHandlers::default().element(move |element: &mut Element| {
            let rule = &rules[index].1;
            for name in &rule.remove {
                element.remove_attribute(name);
            }
            for (name, value) in &rule.set {
                element.set_attribute(name, value)?; // escapes quotes in the value
            }
            rule.prepend.iter().for_each(|html| element.prepend(html, ContentType::Html));
            rule.append.iter().for_each(|html| element.append(html, ContentType::Html));
            Ok(())
        });
        (Cow::Owned(selector), handlers)
    };
    let settings = Settings {
        element_content_handlers: (0..rules.len()).map(handler).collect(),
        memory_settings: MemorySettings { max_allowed_memory_usage: REWRITER_BYTES_MAX, ..MemorySettings::new() },
        strict: false, // a page that cannot be understood in one pass is passed on from there as it is
        ..Settings::new()
    };
    HtmlRewriter::new(settings, output)
}

/// One for the plugin: reads the configuration, and makes a `Filter` for each request.
#[derive(Default)]
struct Root {
    rules: Rc<Rules>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match parse(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(rules) => {
                self.rules = Rc::new(rules);
                true
            }
            Err(error) => {
                log::error!("html: configuration: {error}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { rules: self.rules.clone(), output: Output::default(), rewriter: None }))
    }
}

/// One for each request.
struct Filter {
    rules: Rc<Rules>,
    output: Output,
    /// There while a page goes by. It keeps what is not finished yet: half a tag at the end of a chunk waits for the next one.
    rewriter: Option<HtmlRewriter<'static, Output>>,
}

impl Filter {
    /// Half a page is worse than none: the client sees a connection that broke, and caches nothing.
    fn give_up(&mut self, why: &str) -> Action {
        log::error!("html: {why}");
        self.rewriter = None;
        self.reset_http_response();
        Action::Pause
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.set_http_request_header("accept-encoding", Some("identity")); // what is compressed cannot be read here
        self.set_http_request_header("range", None); // nor can a part of a page be rewritten
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        // As bytes: a value need not be UTF-8, and get_http_response_header panics on what is none.
        let kind = String::from_utf8_lossy(&self.get_http_response_header_bytes("content-type").unwrap_or_default()).to_ascii_lowercase();
        let charset = kind.split_once("charset=").map_or("utf-8", |(_, rest)| rest.trim_matches('"'));
        let plain = self.get_http_response_header_bytes("content-encoding").map_or(true, |encoding| encoding == b"identity");
        if end_of_stream || !plain || !kind.starts_with("text/html") || charset != "utf-8" {
            return Action::Continue; // not a page, or not one that can be read
        }
        self.set_http_response_header("content-length", None); // the size changes
        self.rewriter = Some(rewriter(&self.rules, self.output.clone()));
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(mut rewriter) = self.rewriter.take() else { return Action::Continue };
        let chunk = self.get_http_response_body(0, size).unwrap_or_default();
        if let Err(error) = rewriter.write(&chunk) {
            return self.give_up(&error.to_string());
        }
        if !end_of_stream {
            self.rewriter = Some(rewriter);
        } else if let Err(error) = rewriter.end() {
            return self.give_up(&error.to_string());
        }
        // What is finished takes the place of the chunk. Nothing is held in the proxy: a page of any size streams through.
        let finished = self.output.0.take();
        self.set_http_response_body(0, size, &finished);
        Action::Continue
    }

    /// With trailers the body has no last chunk, and nothing can be put behind what has left.
    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if let Some(rewriter) = self.rewriter.take() {
            if rewriter.end().is_err() || !self.output.0.take().is_empty() {
                return self.give_up("the page ends amid a tag, before trailers");
            }
        }
        Action::Continue
    }
}
