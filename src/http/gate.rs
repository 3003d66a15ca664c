//! Between a socket and actix: one request after the other, and no head that actix would misread.
//!
//! Fed by a client; feeds actix with what the client sent, byte for byte but for the upgrades that
//! it asks for, which nobody offers. Left alone, actix reads ahead: it would execute what is
//! pipelined behind a request or an answer that ends the connection, and tell of one request's
//! connection what the next one's head says. So the next head is handed on only when the one before
//! it is answered. What is no head, comes too slowly, or finds no room is handed on as a request
//! that `middleware` refuses: so it is answered, counted and told like any other.

mod body;
mod head;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::io::poll_read_buf;

use super::connections::{Come, Connection};
use super::problem::Problem;
use body::Body;

/// A head, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// What is read of the next requests while one is answered.
const AHEAD_BYTES_MAX: usize = 8 << 10;
/// How much is asked of the socket at once.
const READ_BYTES: usize = 8 << 10;
/// How long who is answered may still send before the connection is closed for good.
const LINGER: Duration = Duration::from_secs(1);

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// To send a head.
    pub(super) head: Duration,
    /// To take anything of its answer.
    pub(super) answer: Duration,
}

/// A client's connection, as actix sees it.
pub(super) struct Gate {
    io: TcpStream,
    connection: Arc<Connection>,
    patience: Patience,
    /// What has come, and is not handed on.
    received: BytesMut,
    /// How much of that is handed on as it is.
    pass: usize,
    /// How much of that was looked at without finding a whole head.
    looked_at: usize,
    next: Next,
    came_to_an_end: bool,
    closing: bool,
    slow: Timer,
    stalled: Timer,
}

/// What comes next.
enum Next {
    Head,
    Body(Body),
    /// Nothing that is handed on.
    Nothing,
}

impl Gate {
    pub(super) fn new(io: TcpStream, connection: Arc<Connection>, patience: Patience) -> Self {
        Self {
            io,
            connection,
            patience,
            received: BytesMut::new(),
            pass: 0,
            looked_at: 0,
            next: Next::Head,
            came_to_an_end: false,
            closing: false,
            slow: Timer::default(),
            stalled: Timer::default(),
        }
    }

    /// What the gate and the answers of its requests share.
    pub(super) fn connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }

    /// Reads on; 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.came_to_an_end {
            return Poll::Ready(Ok(0));
        }
        self.received.reserve(READ_BYTES);
        let read = ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut self.received))?;
        self.came_to_an_end = read == 0;
        Poll::Ready(Ok(read))
    }

    /// Waits for the next whole head, or for the end.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.is_busy() {
            return self.poll_ahead(cx);
        }
        while !self.takes_a_head() {
            let come = if self.received.is_empty() { Come::Nothing } else { Come::Part };
            self.connection.waits(cx.waker(), come);
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) => self.next = Next::Nothing,
                Poll::Ready(Ok(_)) => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.connection.is_evicted() => self.next = Next::Nothing,
                Poll::Pending => return self.poll_slow(cx),
            }
            // Who leaves within a head has no ear for what is wrong with it.
            break;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether what has come is a head, or can't become one: then it is handed on.
    fn takes_a_head(&mut self) -> bool {
        if !self.is_due() {
            return false;
        }
        match head::read(&self.received) {
            Ok(Some(head)) => self.begin(head),
            Ok(None) if self.received.len() < HEAD_BYTES_MAX => {
                self.looked_at = self.received.len();
                return false;
            }
            Ok(None) => self.refuse(Problem::HeadTooLarge, head::Kind::Other),
            Err(problem) => self.refuse(problem, head::Kind::Other),
        }
        true
    }

    /// While a request is answered: hears whether its client leaves.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.wake_when_answered(cx.waker());
        while self.received.len() < AHEAD_BYTES_MAX && !self.came_to_an_end {
            ready!(self.poll_fill(cx))?;
        }
        if self.came_to_an_end && self.received.is_empty() {
            self.next = Next::Nothing;
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Whether it is worth looking for a whole head: at first, behind each blank line, and each
    /// time that twice as much has come.
    fn is_due(&self) -> bool {
        let (all, from) = (&self.received[..], self.looked_at.saturating_sub(3));
        all.len() > self.looked_at
            && (all.len() >= 2 * self.looked_at
                || memmem::find(&all[from..], b"\n\r\n").is_some()
                || memmem::find(&all[from..], b"\n\n").is_some())
    }

    /// A head that doesn't come to its end in time is refused. A connection on which nothing has
    /// ever come is closed; how long one is kept between requests is told by actix.
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.received.is_empty() && self.connection.has_asked() {
            return Poll::Pending;
        }
        ready!(self.slow.poll_over(cx, self.patience.head));
        if self.received.is_empty() {
            self.next = Next::Nothing;
        } else {
            self.refuse(Problem::HeadTimeout, head::Kind::Other);
        }
        Poll::Ready(Ok(()))
    }

    fn begin(&mut self, head: head::Head) {
        if self.connection.is_extra() && head.kind != head::Kind::Probe {
            return self.refuse(Problem::ConnectionsFull, head.kind);
        }
        self.connection.begins();
        (self.slow, self.looked_at) = (Timer::default(), 0);
        self.pass = head.bytes;
        if let Some(rewritten) = head.rewritten {
            self.received.advance(head.bytes);
            self.pass = rewritten.len();
            let rest = std::mem::replace(&mut self.received, BytesMut::from(&rewritten[..]));
            self.received.extend_from_slice(&rest);
        }
        self.next = Next::Body(head.body);
    }

    /// Hands on a request that stands for what is refused. Nothing comes behind it.
    fn refuse(&mut self, problem: Problem, kind: head::Kind) {
        self.connection.refuses(problem);
        let stand_in: &[u8] = match kind {
            head::Kind::Head => b"HEAD / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n",
            head::Kind::Probe | head::Kind::Other => {
                b"GET / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"
            }
        };
        self.received = BytesMut::from(stand_in);
        self.pass = stand_in.len();
        self.next = Next::Nothing;
    }

    /// Hands on what has come of a body, up to its end.
    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.received.is_empty() && ready!(self.poll_fill(cx))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let Next::Body(body) = &mut self.next else { return Poll::Ready(Ok(())) };
        let room = buf.remaining().min(self.received.len());
        match body.take(&self.received[..room]) {
            Ok(bytes) => self.hand_on(bytes, buf),
            // An end where none is expected: what is read of the body ends with an error.
            Err(why) => {
                self.connection.breaks_off(why);
                self.next = Next::Nothing;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn hand_on(&mut self, bytes: usize, buf: &mut ReadBuf<'_>) {
        buf.put_slice(&self.received[..bytes]);
        self.received.advance(bytes);
    }

    /// Closes; but who still sends would lose its answer by that, so it is listened to for a while.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.closing = true;
            self.slow = Timer::default();
        }
        if matches!(self.next, Next::Head) && self.received.is_empty() {
            return Poll::Ready(Ok(()));
        }
        loop {
            self.received.clear();
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return self.slow.poll_over(cx, LINGER).map(Ok),
            }
        }
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.pass > 0 {
                let bytes = self.pass.min(buf.remaining());
                self.hand_on(bytes, buf);
                self.pass -= bytes;
                return Poll::Ready(Ok(()));
            }
            match &self.next {
                Next::Head => ready!(self.poll_head(cx))?,
                Next::Body(body) if body.is_over() => self.next = Next::Head,
                Next::Body(_) => return self.poll_body(cx, buf),
                Next::Nothing => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        if written.is_ready() {
            self.stalled = Timer::default();
            return written;
        }
        let patience = self.patience.answer;
        ready!(self.stalled.poll_over(cx, patience));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }
}

/// A time that is over some while after it is first asked for.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll_over(&mut self, cx: &mut Context<'_>, after: Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(sleep(after))).as_mut().poll(cx)
    }
}
