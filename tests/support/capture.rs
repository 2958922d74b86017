//! What the layer told `tracing`, as lines of text.

use std::fmt::{self, Write};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Collects the spans of this thread as `+ parent:name field=value` and its events as `scope: message field=value`, for as
/// long as it lives. An event of level WARN begins with that word.
pub(crate) struct Capture {
    lines: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Capture {
    pub(crate) fn start() -> Self {
        LazyLock::force(&OTHERS);
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let subscriber = tracing_subscriber::registry().with(Lines(Arc::clone(&lines)));
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// While there is but one subscriber, `tracing` takes a thread that has none for all of them: what such a thread is the first
/// to say is then never heard again. With these there are always more.
static OTHERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry())));

struct Lines(Arc<Mutex<Vec<String>>>);

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if is_ours(attributes.metadata().target()) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            let scope = scope(context.span_scope(id));
            self.0.lock().unwrap().push(format!("+ {scope}{}", fields.rest));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if is_ours(event.metadata().target()) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let scope = scope(context.event_scope(event));
            let warns = if *event.metadata().level() == Level::WARN { "WARN " } else { "" };
            self.0.lock().unwrap().push(format!("{warns}{scope}: {}{}", fields.message, fields.rest));
        }
    }
}

fn is_ours(target: &str) -> bool {
    target.starts_with("tower_http_retry")
}

fn scope<'a, S>(scope: Option<tracing_subscriber::registry::Scope<'a, S>>) -> String
where
    S: Subscriber + LookupSpan<'a>,
{
    let spans = scope.into_iter().flat_map(|scope| scope.from_root());
    spans.map(|span| span.name()).collect::<Vec<_>>().join(":")
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => write!(self.rest, " {name}={value:?}").unwrap(),
        }
    }
}
