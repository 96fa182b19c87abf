//! What the process uses, from Linux's accounts.

use std::fs;

/// The resident memory, in bytes.
pub fn memory() -> u64 {
    const PAGE: u64 = 4096;
    let text = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = text.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("pages");
    pages * PAGE
}

/// The number of open file descriptors.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}

/// The number of open sockets.
pub fn sockets() -> usize {
    let files = fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// The number of sockets connected to these ports of this machine that their owner has not closed.
pub fn sockets_to(ports: &[u16]) -> usize {
    let text = fs::read_to_string("/proc/self/net/tcp").expect("Linux");
    let is_ours = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        let (remote, state) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let port = remote.rsplit_once(':').and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok());
        // ESTABLISHED, SYN_SENT, CLOSE_WAIT.
        port.is_some_and(|port| ports.contains(&port)) && matches!(state, "01" | "02" | "08")
    };
    text.lines().filter(is_ours).count()
}
