//! The end of a stream that breaks off after the client got a part of it: an error in the form of its API. An SDK raises it as
//! an error of the API, where it would otherwise report a broken connection.

mod events;
mod frames;
mod list;

use bytes::Bytes;

pub(super) use self::events::EventsEnd;
pub(super) use self::frames::FramesEnd;
pub(super) use self::list::ListEnd;

/// Follows a stream on its way to the client.
#[derive(Debug)]
pub(super) enum StreamEnd {
    Events(EventsEnd),
    Frames(FramesEnd),
    List(ListEnd),
}

impl StreamEnd {
    /// Notes bytes that go to the client, and that nobody has read before.
    pub(super) fn note(&mut self, data: &[u8]) {
        match self {
            Self::Events(end) => end.note(data),
            Self::Frames(end) => end.note(data),
            Self::List(end) => end.note(data),
        }
    }

    /// Notes bytes that go to the client, and that the parser of its events has read.
    pub(super) fn note_seen(&mut self, data: &[u8]) {
        match self {
            Self::Events(end) => end.note_seen(data),
            Self::Frames(end) => end.note(data),
            Self::List(end) => end.note(data),
        }
    }

    /// Returns what tells the client of the failure of its stream, if the stream stands between two events: half an event must
    /// not be taken for a whole one.
    pub(super) fn error_event(&self) -> Option<Bytes> {
        match self {
            Self::Events(end) => end.error_event(),
            Self::Frames(end) => end.error_frame(),
            Self::List(end) => end.error_item(),
        }
    }
}
