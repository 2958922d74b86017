//! Writes the access log and the standard error in threads of their own, so that a reader that stops reading holds no
//! request, health check or signal.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use crate::connection::descriptors::DESCRIPTORS;
use crate::sync::lock;

/// The writer of the access log, which goes to the standard output.
pub(crate) static ACCESS_LOG: LazyLock<LogWriter> =
    LazyLock::new(|| LogWriter::new("access-log", raw(io::stdout().as_fd(), io::stdout())));
/// The writer of messages to the operator, which go to the standard error.
pub(crate) static STANDARD_ERROR: LazyLock<LogWriter> =
    LazyLock::new(|| LogWriter::new("standard-error", raw(io::stderr().as_fd(), io::stderr())));

/// Prints a line to the standard error without ever waiting for its reader.
pub fn print_error(line: &str) {
    STANDARD_ERROR.write(line);
}

/// Counts a socket that could not be opened because no file descriptor was left, and tells the operator now and then.
pub(crate) fn report_exhausted(peer: &str) {
    if DESCRIPTORS.record_exhausted() {
        print_error(&format!("no file descriptor is left for a connection of {peer}; raise ulimit -n"));
    }
}

/// Waits until the queued lines of both logs are written, for one second at most. A program calls it before its end.
pub fn flush_logs() {
    let deadline = Instant::now() + FLUSH_TIMEOUT;
    for writer in [&ACCESS_LOG, &STANDARD_ERROR] {
        writer.flush(deadline);
    }
}

/// A bounded queue of lines, and the thread that writes them. A line that finds no room is dropped and counted.
#[derive(Debug)]
pub(crate) struct LogWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// The queue is no longer empty.
    filled: Condvar,
    /// Everything that was queued is written.
    written: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    /// The thread writes lines that it has taken from the queue.
    is_writing: bool,
    /// There is no thread that could write.
    is_closed: bool,
}

impl LogWriter {
    /// Starts the thread. If the system starts none, all lines count as dropped.
    fn new(name: &str, output: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
            dropped: Counter::default(),
        });
        let of_thread = Arc::clone(&shared);
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || of_thread.run(output));
        lock(&shared.queue).is_closed = started.is_err();
        Self(shared)
    }

    /// Queues a line, or drops it if the queue is full. This never blocks for longer than another call takes.
    pub(crate) fn write(&self, line: &str) {
        let mut queue = lock(&self.0.queue);
        if queue.is_closed || queue.lines.len() + line.len() >= MAX_QUEUED_BYTES {
            self.0.dropped.inc();
            return;
        }
        let was_empty = queue.lines.is_empty();
        queue.lines.extend_from_slice(line.as_bytes());
        queue.lines.push(b'\n');
        drop(queue);
        if was_empty {
            self.0.filled.notify_one();
        }
    }

    /// Returns the counter of lines that were dropped.
    pub(crate) fn dropped(&self) -> &Counter {
        &self.0.dropped
    }

    fn flush(&self, deadline: Instant) {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        let waited = self.0.written.wait_timeout_while(lock(&self.0.queue), timeout, is_busy);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shared {
    /// Writes lines for as long as the process lives. It takes all lines of the queue at once, so that a burst costs
    /// few writes.
    fn run(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut queue = lock(&self.queue);
            queue.is_writing = false;
            if queue.lines.is_empty() {
                self.written.notify_all();
                let is_empty = |queue: &mut Queue| queue.lines.is_empty();
                queue = self.filled.wait_while(queue, is_empty).unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut queue.lines, &mut lines);
            queue.is_writing = true;
            drop(queue);
            self.dropped.inc_by(write_lines(&mut output, &lines));
            lines.clear();
            lines.shrink_to(MAX_IDLE_BYTES);
        }
    }
}

/// Writes lines, and returns the number of lines that the output did not take.
fn write_lines(output: &mut impl Write, mut lines: &[u8]) -> u64 {
    while !lines.is_empty() {
        match output.write(lines) {
            Ok(count) if count > 0 => lines = &lines[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process that shares the output has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
            // The reader closed the pipe, or the disk is full. The next lines may find room again.
            Ok(_) | Err(_) => return lines.iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
    0
}

/// Returns an output without the lock and the buffer of the standard library, which a panic elsewhere would wait for.
fn raw(descriptor: impl AsFd, buffered: impl Write + Send + 'static) -> Box<dyn Write + Send> {
    match descriptor.as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        Err(_) => Box::new(buffered),
    }
}

/// The most bytes that a queue holds: about 13,000 lines, which bridge a pause of a third of a second at 40,000 requests
/// a second. As many may be in the hands of the thread.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;
/// The memory that the thread keeps between two writes.
const MAX_IDLE_BYTES: usize = 64 * 1024;
/// The longest time that the end of the process waits for its logs.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before another write to a full output that does not block.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An output that takes a write only when the test allows one, and passes it on.
    struct GatedOutput {
        gate: mpsc::Receiver<io::Result<usize>>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for GatedOutput {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.gate.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            let _ = self.written.send(bytes[..count].to_vec());
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (LogWriter, mpsc::Sender<io::Result<usize>>, mpsc::Receiver<Vec<u8>>) {
        let (open, gate) = mpsc::channel();
        let (written, output) = mpsc::channel();
        (LogWriter::new("test", GatedOutput { gate, written }), open, output)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn a_blocked_output_drops_and_counts_lines_and_loses_no_queued_one() {
        let (writer, open, output) = gated();
        let line = |number: usize| format!("{number:01023}");
        let attempted = 3 * MAX_QUEUED_BYTES / 1_024;
        for number in 0..attempted {
            writer.write(&line(number));
        }
        let dropped = writer.dropped().get() as usize;
        // One queue is full, and the thread may have taken up to another one.
        assert!((attempted / 3..=2 * attempted / 3 + 1).contains(&dropped), "{dropped} of {attempted}");
        writer.flush(Instant::now() + Duration::from_millis(20));
        drop(open);
        writer.flush(soon());
        let text = String::from_utf8(output.try_iter().flatten().collect()).unwrap();
        assert!(text.ends_with('\n'));
        let numbers: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers.len() + dropped, attempted);
        assert!(numbers.is_sorted() && numbers[0] == 0);
        assert_eq!(text.lines().next(), Some(line(0).as_str()));
        // The next line finds room again.
        writer.write("later");
        writer.flush(soon());
        assert_eq!(output.try_iter().flatten().collect::<Vec<_>>(), b"later\n");
        assert_eq!(writer.dropped().get() as usize, dropped);
    }

    #[test]
    fn a_failed_write_counts_the_lines_that_it_lost() {
        let (writer, open, output) = gated();
        writer.write("abc");
        open.send(Err(ErrorKind::Interrupted.into())).unwrap();
        open.send(Err(ErrorKind::WouldBlock.into())).unwrap();
        open.send(Ok(2)).unwrap();
        open.send(Ok(2)).unwrap();
        writer.flush(soon());
        assert_eq!(output.try_iter().flatten().collect::<Vec<_>>(), b"abc\n");
        assert_eq!(writer.dropped().get(), 0);
        writer.write("def");
        open.send(Ok(2)).unwrap();
        open.send(Err(ErrorKind::BrokenPipe.into())).unwrap();
        writer.flush(soon());
        assert_eq!(writer.dropped().get(), 1);
        writer.write("ghi");
        open.send(Ok(0)).unwrap();
        writer.flush(soon());
        assert_eq!(writer.dropped().get(), 2);
    }
}
