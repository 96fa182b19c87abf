//! The runtime of default credentials: a thread of its own.
//!
//! google-cloud-auth refreshes tokens in tasks of the runtime in which its credentials were built.
//! Tokens would end with that runtime, or stop with it while nobody drives it. So default credentials
//! bring a small runtime. It runs from the first call to the end of the credentials.

use crate::gax::{credentials::TokenError, net::tls};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

/// A runtime that begins to run when it is needed, and ends when it is dropped.
pub(super) struct Background {
    /// `Some` until it is dropped.
    runtime: Option<Arc<Runtime>>,
    handle: Handle,
    /// Ends the thread when it is dropped; `None` before there is a thread.
    thread: Mutex<Option<oneshot::Sender<()>>>,
}

impl Background {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(Arc::new(runtime)), handle, thread: Mutex::default() })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Starts the thread, if it does not run yet.
    pub(super) fn start(&self) -> Result<(), TokenError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_some() {
            return Ok(());
        }
        // google-cloud-auth has no other way to give its connections a provider. The program had its
        // chance to install one of its own until now.
        tls::ensure_default_crypto_provider()?;
        let Some(runtime) = self.runtime.clone() else { return Ok(()) };
        let (sender, end) = oneshot::channel();
        let run = move || {
            // An error says that the sender was dropped: the end.
            let _ = runtime.block_on(end);
            shut_down(runtime);
        };
        let named = thread::Builder::new().name("google-credentials".to_owned());
        named.spawn(run).map_err(TokenError::transient)?;
        *thread = Some(sender);
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            shut_down(runtime);
        }
    }
}

/// Whoever is last ends the runtime, without waiting: dropping it panics in another runtime.
fn shut_down(runtime: Arc<Runtime>) {
    if let Some(runtime) = Arc::into_inner(runtime) {
        runtime.shutdown_background();
    }
}
