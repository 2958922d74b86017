use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Returns a socket, and the endpoint's side of it.
async fn connect() -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (endpoint, _) = listener.accept().await.unwrap();
    (Socket::tcp(stream, Permit::default()), endpoint)
}

/// Has the endpoint send a byte. Returns whether it counts as a response before the whole request.
async fn is_early_answer(socket: &mut Socket, endpoint: &mut TcpStream) -> bool {
    endpoint.write_all(b"x").await.unwrap();
    socket.read_exact(&mut [0]).await.unwrap();
    socket.state.is_answered_early()
}

#[tokio::test]
async fn bytes_that_come_before_the_end_of_the_request_are_an_early_answer() {
    let (mut socket, mut endpoint) = connect().await;
    let body = socket.state.upload_mark();
    assert!(!is_early_answer(&mut socket, &mut endpoint).await, "the body is not asked for");
    body.start();
    drop(body);
    assert!(!is_early_answer(&mut socket, &mut endpoint).await, "the body has ended");
    let body = socket.state.upload_mark();
    body.start();
    assert!(is_early_answer(&mut socket, &mut endpoint).await);
}

#[tokio::test]
async fn an_answer_to_a_request_that_is_not_written_out_is_early() {
    let (mut socket, mut endpoint) = connect().await;
    socket.write_all(b"head").await.unwrap();
    assert!(!is_early_answer(&mut socket, &mut endpoint).await);
    // The endpoint reads nothing, so its buffer and the socket's are full in the end.
    let piece = [0; READ_SIZE];
    poll_fn(|cx| match Pin::new(&mut socket).poll_write(cx, &piece) {
        Poll::Ready(written) => {
            assert!(written.unwrap() > 0);
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => Poll::Ready(()),
    })
    .await;
    assert!(is_early_answer(&mut socket, &mut endpoint).await);
}
