//! The rejection of connections over `limits.connections`.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connection::limit::Permit;
use crate::message::problem::ProblemDetails;

/// Answers a connection over the limit with a 503. It then reads what the client has sent: the kernel would otherwise
/// reset the connection on close, and the client would lose the response.
pub(crate) async fn reject(mut socket: TcpStream, _permit: Permit) {
    let response = ProblemDetails::Overflow.response("the gateway's limit of connections is reached", 0);
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap_or_default().to_bytes();
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    let exchange = async {
        socket.write_all(&bytes).await?;
        socket.shutdown().await?;
        let mut rest = [0; 1_024];
        while socket.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(REJECTION_TIMEOUT, exchange).await;
}

/// The longest time that a rejection may take.
const REJECTION_TIMEOUT: Duration = Duration::from_secs(1);
