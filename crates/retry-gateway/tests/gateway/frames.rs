//! The frames of AWS, in which Bedrock streams.

use flate2::Crc;

/// Returns a frame with headers that are texts (AWS, "Event stream encoding").
pub(crate) fn frame(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    let headers: Vec<u8> = headers
        .iter()
        .flat_map(|(name, value)| {
            let length = u16::try_from(value.len()).unwrap().to_be_bytes();
            [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), &[7], &length, value.as_bytes()].concat()
        })
        .collect();
    let number = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let mut frame = [number(16 + headers.len() + payload.len()), number(headers.len())].concat();
    frame.extend(checksum(&frame));
    frame.extend([&headers[..], payload.as_bytes()].concat());
    frame.extend(checksum(&frame));
    frame
}

/// Returns a frame with an event.
pub(crate) fn event(kind: &str, payload: &str) -> Vec<u8> {
    let json = (":content-type", "application/json");
    frame(&[(":event-type", kind), json, (":message-type", "event")], payload)
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}
