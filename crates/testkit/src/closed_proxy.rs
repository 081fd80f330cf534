//! A proxy that lets nothing through and remembers who tried: the proof that a program asked only for loopback.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Refuses every request and records its first line, until it is dropped.
pub struct ClosedProxy {
    address: SocketAddr,
    attempts: Arc<Mutex<Vec<String>>>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ClosedProxy {
    /// Starts the proxy on a free port of loopback.
    pub fn start() -> io::Result<ClosedProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let closing = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let attempts = Arc::clone(&attempts);
            let closing = Arc::clone(&closing);
            move || {
                for stream in listener.incoming().flatten() {
                    if closing.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Ok(attempt) = refuse(stream) {
                        attempts
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(attempt);
                    }
                }
            }
        });
        Ok(ClosedProxy {
            address,
            attempts,
            closing,
            thread: Some(thread),
        })
    }

    /// Gives the variables that send all traffic but that to loopback here.
    pub fn environment(&self) -> Vec<(String, String)> {
        let url = format!("http://{}", self.address);
        let loopback = "127.0.0.1,localhost".to_owned();
        let mut environment = Vec::new();
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            environment.push((name.to_owned(), url.clone()));
            environment.push((name.to_lowercase(), url.clone()));
        }
        environment.push(("NO_PROXY".to_owned(), loopback.clone()));
        environment.push(("no_proxy".to_owned(), loopback));
        environment
    }

    /// Gives the first line of every request that was refused.
    pub fn attempts(&self) -> Vec<String> {
        self.attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for ClosedProxy {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; should that fail, it is left to the end of the test's process.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn refuse(mut stream: TcpStream) -> io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    // The attempt counts, answered or not.
    let _ = stream
        .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn an_attempt_is_refused_and_remembered() {
        let proxy = ClosedProxy::start().expect("started");
        let mut stream = TcpStream::connect(proxy.address).expect("connected");
        stream
            .write_all(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")
            .expect("sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("answered");
        assert_eq!(&answer, b"HTTP/1.1 403");
        crate::wait_until(Duration::from_secs(5), "the attempt", || {
            proxy.attempts() == ["CONNECT example.org:443 HTTP/1.1"]
        });
    }
}
