//! A proxy in front of a server, through which a test lets the network fail: stall, reset, vanish.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a connection that carries nothing is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Says where a server listens.
#[derive(Clone, Debug)]
pub enum Server {
    /// On a TCP port.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

/// Carries connections from a port of loopback to a server until it is dropped.
pub struct TcpProxy {
    address: SocketAddr,
    weather: Arc<Weather>,
    thread: Option<JoinHandle<()>>,
}

/// What becomes of connections, shared by all that carry them.
#[derive(Default)]
struct Weather {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Now {
    /// Nothing passes, either way, and nobody is told.
    stalled: bool,
    /// Nothing passes from the server.
    mute: bool,
    /// New connections are reset as soon as they are made.
    cut: bool,
    /// Connections of an earlier generation are reset.
    generation: u64,
    closing: bool,
}

impl TcpProxy {
    /// Starts the proxy on a free port.
    pub fn start(server: Server) -> io::Result<TcpProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let weather = Arc::new(Weather::default());
        let thread = std::thread::spawn({
            let weather = Arc::clone(&weather);
            move || accept(&listener, &server, &weather)
        });
        Ok(TcpProxy {
            address,
            weather,
            thread: Some(thread),
        })
    }

    /// Gives the address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing pass any more, either way; connections stay open, and new ones are accepted and stall.
    pub fn stall(&self) {
        self.change(|now| now.stalled = true);
    }

    /// Lets nothing pass from the server any more: it hears, and is not heard.
    pub fn mute(&self) {
        self.change(|now| now.mute = true);
    }

    /// Lets everything pass again.
    pub fn resume(&self) {
        self.change(|now| {
            now.stalled = false;
            now.mute = false;
            now.cut = false;
        });
    }

    /// Resets every connection that is open now.
    pub fn reset(&self) {
        self.change(|now| now.generation += 1);
    }

    /// Resets every connection, and each new one at once, until [`TcpProxy::resume`].
    pub fn cut(&self) {
        self.change(|now| {
            now.cut = true;
            now.generation += 1;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.weather.lock());
        self.weather.changed.notify_all();
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.change(|now| now.closing = true);
        // Wakes the accepting thread; should that fail, it is left to the end of the test's process.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

impl Weather {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while connections stall this way; tells whether one of this generation lives on.
    fn lets_live(&self, generation: u64, way: Way) -> bool {
        let now = self.lock();
        let lives = |now: &Now| !now.closing && now.generation == generation;
        let muted = |now: &Now| now.mute && way == Way::FromServer;
        let stalled = |now: &mut Now| (now.stalled || muted(now)) && lives(now);
        let now = self
            .changed
            .wait_while(now, stalled)
            .unwrap_or_else(PoisonError::into_inner);
        lives(&now)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    FromServer,
}

fn accept(listener: &TcpListener, server: &Server, weather: &Arc<Weather>) {
    let mut carriers = Vec::new();
    for client in listener.incoming().flatten() {
        let now = *weather.lock();
        if now.closing {
            break;
        }
        if now.cut {
            reset(&client);
            continue;
        }
        // As if nobody listened there.
        let Ok(upstream) = Stream::connect(server) else {
            reset(&client);
            continue;
        };
        let client = Stream::Tcp(client);
        let ways = client
            .try_clone()
            .and_then(|from| Ok((from, upstream.try_clone()?)));
        let Ok((from_client, to_server)) = ways else {
            continue;
        };
        for (from, to, way) in [
            (from_client, to_server, Way::ToServer),
            (upstream, client, Way::FromServer),
        ] {
            let weather = Arc::clone(weather);
            carriers.push(std::thread::spawn(move || {
                carry(from, to, way, &weather, now.generation)
            }));
        }
    }
    for carrier in carriers {
        // One that panicked has ended, which is all that is asked here.
        let _ = carrier.join();
    }
}

/// Carries bytes one way until either end closes, or the weather ends the connection.
fn carry(mut from: Stream, mut to: Stream, way: Way, weather: &Weather, generation: u64) {
    let mut bytes = vec![0; 64 << 10];
    while weather.lets_live(generation, way) {
        let length = match from.read(&mut bytes) {
            Ok(0) => {
                to.shut(Shutdown::Write);
                return;
            }
            Ok(length) => length,
            Err(error) if is_no_data(&error) => continue,
            Err(_) => break,
        };
        // What was read while the weather changed stalls here.
        if !weather.lets_live(generation, way) || to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    for stream in [&from, &to] {
        if let Stream::Tcp(stream) = stream {
            reset(stream);
        }
        stream.shut(Shutdown::Both);
    }
}

fn is_no_data(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Has the peer told "connection reset" instead of an orderly end.
fn reset(stream: &TcpStream) {
    // Fails only when it is gone already.
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn connect(server: &Server) -> io::Result<Stream> {
        match server {
            Server::Tcp(address) => TcpStream::connect(address).map(Stream::Tcp),
            Server::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
        }
    }

    /// Gives another handle, whose reads end soon even where nothing comes.
    fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(LOOK))?;
                stream.try_clone().map(Stream::Tcp)
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(LOOK))?;
                stream.try_clone().map(Stream::Unix)
            }
        }
    }

    fn shut(&self, how: Shutdown) {
        // Fails only when it is shut already.
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(how),
            Stream::Unix(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(bytes),
            Stream::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A server that says everything back, and a proxy in front of it.
    fn echo() -> (TcpProxy, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        (TcpProxy::start(Server::Unix(path)).unwrap(), directory)
    }

    fn connect(proxy: &TcpProxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        stream
    }

    fn heard(stream: &mut TcpStream) -> io::Result<u8> {
        let mut byte = [0];
        stream.read_exact(&mut byte).map(|()| byte[0])
    }

    #[test]
    fn what_stalls_is_delayed_and_not_lost() {
        let (proxy, _directory) = echo();
        let mut stream = connect(&proxy);
        stream.write_all(b"a").unwrap();
        assert_eq!(heard(&mut stream).unwrap(), b'a');
        proxy.stall();
        stream.write_all(b"b").unwrap();
        assert!(is_no_data(&heard(&mut stream).unwrap_err()));
        proxy.resume();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert_eq!(heard(&mut stream).unwrap(), b'b');
        proxy.mute();
        stream.write_all(b"c").unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        assert!(is_no_data(&heard(&mut stream).unwrap_err()));
        proxy.resume();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert_eq!(heard(&mut stream).unwrap(), b'c');
    }

    #[test]
    fn a_reset_ends_what_is_open_even_stalled_and_a_cut_what_comes() {
        let (proxy, _directory) = echo();
        let mut stream = connect(&proxy);
        stream.write_all(b"a").unwrap();
        assert_eq!(heard(&mut stream).unwrap(), b'a');
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        proxy.stall();
        proxy.reset();
        assert!(!is_no_data(&heard(&mut stream).unwrap_err()), "told");
        proxy.resume();
        let mut stream = connect(&proxy);
        stream.write_all(b"c").unwrap();
        assert_eq!(heard(&mut stream).unwrap(), b'c', "the next one lives");
        proxy.cut();
        let mut next = connect(&proxy);
        next.set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert!(!is_no_data(&heard(&mut next).unwrap_err()));
        proxy.resume();
        let mut next = connect(&proxy);
        next.write_all(b"d").unwrap();
        assert_eq!(heard(&mut next).unwrap(), b'd');
    }
}
