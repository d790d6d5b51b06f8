//! A TCP filter in front of Redis: reads the client's commands, whole ones however they are cut, and closes the connection at
//! one that the configuration denies. What came before it still reaches Redis; the denied command does not.
//!
//! Configuration: names of commands, separated by blanks: `FLUSHALL FLUSHDB CONFIG`.

use log::{info, warn};
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, PeerType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Guard { denied: Vec::new() }) });
}}

#[derive(Clone)]
struct Guard {
    denied: Vec<String>,
}

impl Context for Guard {}

impl RootContext for Guard {
    fn on_configure(&mut self, _size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        self.denied = String::from_utf8_lossy(&text).split_whitespace().map(str::to_uppercase).collect();
        if self.denied.is_empty() {
            warn!("the configuration names no command to deny: FLUSHALL FLUSHDB");
        }
        !self.denied.is_empty()
    }

    fn create_stream_context(&self, _context_id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Connection { guard: self.clone(), place: Place::default(), commands: 0 }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}

/// Where in the stream of commands a chunk begins.
#[derive(Clone, Copy, Default)]
struct Place {
    strings: usize, // of the current command that are still to come
    skip: usize,    // bytes of the current string, with its line end
}

struct Connection {
    guard: Guard,
    place: Place,
    commands: u64,
}

enum Step {
    /// That many bytes belong together; the name, where they begin a command.
    Took(usize, Option<String>),
    Incomplete,
    NotRedis,
}

/// Redis takes no longer strings.
const STRING_MAX: usize = 512 << 20;

fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], end + 2))
}

fn number(bytes: &[u8], kind: u8) -> Option<usize> {
    if bytes.first() != Some(&kind) {
        return None;
    }
    std::str::from_utf8(&bytes[1..]).ok()?.parse().ok().filter(|&n| n <= STRING_MAX)
}

impl Place {
    fn step(&mut self, bytes: &[u8]) -> Step {
        if self.skip > 0 {
            let size = self.skip.min(bytes.len());
            self.skip -= size;
            return Step::Took(size, None);
        }
        let Some((head, used)) = line(bytes) else { return Step::Incomplete };
        if self.strings > 0 {
            let Some(size) = number(head, b'$') else { return Step::NotRedis };
            self.strings -= 1;
            self.skip = size + 2;
            return Step::Took(used, None);
        }
        if head.first() != Some(&b'*') {
            // a line of words, as one types into telnet
            let text = String::from_utf8_lossy(head);
            return Step::Took(used, text.split_whitespace().next().map(str::to_uppercase));
        }
        let Some(count) = number(head, b'*') else { return Step::NotRedis };
        if count == 0 {
            return Step::Took(used, None);
        }
        let Some((head, more)) = line(&bytes[used..]) else { return Step::Incomplete };
        let Some(size) = number(head, b'$') else { return Step::NotRedis };
        let at = used + more;
        let Some(name) = bytes.get(at..at + size) else { return Step::Incomplete };
        self.strings = count - 1;
        self.skip = 2;
        Step::Took(at + size, Some(String::from_utf8_lossy(name).to_uppercase()))
    }
}

impl Context for Connection {}

impl StreamContext for Connection {
    fn on_downstream_data(&mut self, size: usize, end_of_stream: bool) -> Action {
        let bytes = self.get_downstream_data(0, size).unwrap_or_default();
        let (mut place, mut commands, mut at) = (self.place, self.commands, 0);
        while at < bytes.len() {
            match place.step(&bytes[at..]) {
                Step::Took(_, Some(name)) if self.guard.denied.contains(&name) => {
                    warn!("{name} is denied after {commands} commands");
                    self.set_downstream_data(at, bytes.len() - at, b"");
                    self.close_downstream();
                    return Action::Continue;
                }
                Step::Took(size, name) => {
                    commands += u64::from(name.is_some());
                    at += size;
                }
                // All of it comes again with the next chunk.
                Step::Incomplete if !end_of_stream => return Action::Pause,
                Step::Incomplete => break,
                Step::NotRedis => {
                    warn!("this is not Redis");
                    self.close_downstream();
                    return Action::Pause;
                }
            }
        }
        self.place = place;
        self.commands = commands;
        Action::Continue
    }

    fn on_downstream_close(&mut self, peer: PeerType) {
        info!("{} commands, closed by {}", self.commands, if peer == PeerType::Local { "the proxy" } else { "the client" });
    }
}
