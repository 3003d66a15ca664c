//! The gate between a socket and actix: it hands on one request at a time, and refuses heads that
//! actix would misread.
//!
//! It hands the client's bytes to actix, without requests to upgrade the protocol, since no upgrade
//! is offered. Actix itself reads ahead: it would execute a request that is pipelined after an
//! answer that ends the connection, and apply the next head's `Connection` to the answer before it.
//! Therefore the next head is handed on only when the request before it is answered. A head that is
//! malformed or too slow, or finds no room, is replaced by a request that `middleware` refuses, so
//! that it is answered, counted and logged like any other.

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
use tokio::time::{Sleep, sleep};
use tokio_util::io::poll_read_buf;

use super::connections::{Arrived, Connection};
use super::problem::Problem;
use crate::tls::Stream;
use body::Body;

/// The most bytes of a head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The most bytes that are read of the next requests while one is answered.
const AHEAD_BYTES_MAX: usize = 8 << 10;
/// The most bytes that one read of the socket asks for.
const READ_BYTES: usize = 8 << 10;
/// The time for which an answered client may go on sending before the connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// The time that a client is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The time to send a head.
    pub(super) head: Duration,
    /// The time to read some of its answer.
    pub(super) answer: Duration,
}

/// A client's connection as actix reads and writes it.
pub(super) struct Gate {
    io: Stream,
    connection: Arc<Connection>,
    patience: Patience,
    /// The bytes from the client that are not handed on yet.
    received: BytesMut,
    /// How many of these bytes to hand on unchanged.
    pass: usize,
    /// How many of these bytes were searched without finding a whole head.
    looked_at: usize,
    next: Next,
    came_to_an_end: bool,
    closing: bool,
    slow: Timer,
    stalled: Timer,
}

/// The part of a request that the client sends next.
enum Next {
    Head,
    Body(Body),
    /// Nothing more is handed on.
    Nothing,
}

impl Gate {
    pub(super) fn new(io: Stream, connection: Arc<Connection>, patience: Patience) -> Self {
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

    /// The state of the connection, which the answers of its requests share.
    pub(super) fn connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }

    /// Reads more bytes; 0 at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.came_to_an_end {
            return Poll::Ready(Ok(0));
        }
        self.received.reserve(READ_BYTES);
        let read = ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut self.received))?;
        self.came_to_an_end = read == 0;
        Poll::Ready(Ok(read))
    }

    /// Waits for the next whole head, or for the end of the stream.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.is_busy() {
            return self.poll_ahead(cx);
        }
        while !self.takes_a_head() {
            let arrived = if self.received.is_empty() { Arrived::Nothing } else { Arrived::Part };
            self.connection.waits(cx.waker(), arrived);
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) => self.next = Next::Nothing,
                Poll::Ready(Ok(_)) => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.connection.is_evicted() => self.next = Next::Nothing,
                Poll::Pending => return self.poll_slow(cx),
            }
            // A client that leaves within a head reads no answer.
            break;
        }
        Poll::Ready(Ok(()))
    }

    /// Hands on the received bytes if they are a whole head, or refuses them if they can't become
    /// one. Returns whether it did either.
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

    /// While a request is being answered, notices whether its client leaves.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.wake_when_answered(cx.waker());
        while self.received.len() < AHEAD_BYTES_MAX && !self.came_to_an_end {
            ready!(self.poll_fill(cx))?;
        }
        if self.came_to_an_end {
            self.connection.ends_sending();
        }
        if self.came_to_an_end && self.received.is_empty() {
            self.next = Next::Nothing;
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Returns whether to look for a whole head now: with the first bytes, after each blank line,
    /// and each time that the number of bytes has doubled.
    fn is_due(&self) -> bool {
        let (all, from) = (&self.received[..], self.looked_at.saturating_sub(3));
        all.len() > self.looked_at
            && (all.len() >= 2 * self.looked_at
                || memmem::find(&all[from..], b"\n\r\n").is_some()
                || memmem::find(&all[from..], b"\n\n").is_some())
    }

    /// Refuses a head that is not whole in time. Closes a connection on which nothing has ever
    /// arrived; between requests, actix decides how long a connection is kept.
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

    /// Hands on a request in place of the refused one. Nothing is handed on after it.
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

    /// Hands on the received bytes of a body, up to its end.
    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.received.is_empty() && ready!(self.poll_fill(cx))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let Next::Body(body) = &mut self.next else { return Poll::Ready(Ok(())) };
        let room = buf.remaining().min(self.received.len());
        match body.take(&self.received[..room]) {
            Ok(bytes) => self.hand_on(bytes, buf),
            // The stream ends early, so that reading the body ends with an error.
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

    /// Closes the connection. A client that is still sending would lose its answer, so its bytes
    /// are read for a while first.
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

/// A timer that starts when it is first polled.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll_over(&mut self, cx: &mut Context<'_>, after: Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(sleep(after))).as_mut().poll(cx)
    }
}
