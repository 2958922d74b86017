//! A saved frame of a request body.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// A saved frame of a request body. A clone shares its data.
#[derive(Clone)]
pub(super) enum BufferedFrame {
    Data(Bytes),
    /// The trailers are boxed, since most bodies have none, and otherwise every saved frame would be as large.
    Trailers(Box<HeaderMap>),
}

impl BufferedFrame {
    /// Returns the data, unless the frame is trailers.
    pub(super) fn data(&self) -> Option<&Bytes> {
        match self {
            Self::Data(data) => Some(data),
            Self::Trailers(_) => None,
        }
    }

    /// Returns the bytes of data, which is zero for trailers.
    pub(super) fn data_len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }

    /// Returns the bytes that count towards the limit.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(trailers) => {
                trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
            }
        }
    }
}

impl From<Frame<Bytes>> for BufferedFrame {
    fn from(frame: Frame<Bytes>) -> Self {
        match frame.into_data() {
            Ok(data) => Self::Data(data),
            // A frame that is not data is trailers: there is no third kind.
            Err(frame) => Self::Trailers(Box::new(frame.into_trailers().unwrap_or_default())),
        }
    }
}

impl From<BufferedFrame> for Frame<Bytes> {
    fn from(frame: BufferedFrame) -> Self {
        match frame {
            BufferedFrame::Data(data) => Self::data(data),
            BufferedFrame::Trailers(trailers) => Self::trailers(*trailers),
        }
    }
}
