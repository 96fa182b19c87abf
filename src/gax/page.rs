//! Listings as streams, page by page or item by item.
//!
//! Each page is a call of its own, with its own deadline and retries. While the caller works on one
//! page, the next is already being fetched. An empty page that names a next one does not end a
//! listing; a service that names a page twice would never end it, which is an error
//! ([AIP-158](https://google.aip.dev/158)).

use super::{
    call::Call,
    error::Error,
    rpc::{Filtered, Ordered, Page, Paged},
};
use futures_core::Stream;
use std::{
    collections::{HashSet, VecDeque},
    fmt,
    future::ready,
    mem,
    pin::Pin,
    task::{self, Context, Poll},
};
use tokio::{runtime::Handle, task::JoinHandle};

impl<R: Paged> Call<R> {
    /// The most items that a page may hold; 0 leaves it to the service, which may give fewer.
    pub fn page_size(self, size: i32) -> Self {
        self.with(|request| *request.page_size_mut() = size)
    }

    /// Starts at the page that this token names, instead of the first: resumes a listing.
    pub fn page_token(self, token: impl Into<String>) -> Self {
        self.with(|request| *request.page_token_mut() = token.into())
    }

    /// The listing, a page at a time. A page's token is where another listing can take it up again.
    pub fn pages(self) -> Pages<R> {
        let mut start = String::new();
        let call = self.with(|request| start.clone_from(request.page_token_mut()));
        Pages { next: Next::Idle(call), seen: HashSet::from([start]), reads_ahead: true }
    }

    /// The listing, an item at a time.
    ///
    #[doc = include_str!("../guide/examples/items.md")]
    pub fn items(self) -> Items<R> {
        Items { pages: self.pages(), items: VecDeque::new(), unreachable: Vec::new() }
    }
}

impl<R: Filtered> Call<R> {
    /// Lists only what matches an expression, such as `labels.show = "news"`, in the syntax of
    /// [AIP-160](https://google.aip.dev/160).
    ///
    /// Empty lists everything. The service does not document which fields it can filter by; an
    /// expression that it cannot use fails with `INVALID_ARGUMENT`.
    pub fn filter(self, filter: impl Into<String>) -> Self {
        self.with(|request| *request.filter_mut() = filter.into())
    }
}

impl<R: Ordered> Call<R> {
    /// Sorts by fields, separated by commas, with ` desc` after those that descend, such as
    /// `create_time desc` ([AIP-132](https://google.aip.dev/132#ordering)).
    ///
    /// Empty leaves the order to the service, which for some listings takes this as a hint only.
    pub fn order_by(self, order_by: impl Into<String>) -> Self {
        self.with(|request| *request.order_by_mut() = order_by.into())
    }
}

/// The pages of a listing, as a [`Stream`]. It ends after the last page, or after an error.
#[must_use = "a listing does nothing until it is polled"]
pub struct Pages<R: Paged> {
    next: Next<R>,
    seen: HashSet<String>,
    reads_ahead: bool,
}

enum Next<R: Paged> {
    Idle(Call<R>),
    Coming(Coming<R>),
    End,
}

/// A page under way, and the call that asked for it.
type Coming<R> = Pin<Box<dyn Future<Output = Result<Fetched<R>, Error>> + Send>>;
type Fetched<R> = (Page<<R as Paged>::Item>, Call<R>);

impl<R: Paged> Pages<R> {
    /// Whether the next page is fetched while the caller works on the last; true unless set.
    ///
    /// Turn it off where listings are seldom read to their end, to save the request.
    pub fn read_ahead(mut self, reads_ahead: bool) -> Self {
        self.reads_ahead = reads_ahead;
        self
    }

    /// What comes after this page.
    fn following(&mut self, page: &Page<R::Item>, call: Call<R>) -> Next<R> {
        let token = &page.next_page_token;
        if token.is_empty() {
            return Next::End;
        }
        if !self.seen.insert(token.clone()) {
            let message = "the service names a page twice: the listing would never end";
            let error = Error::unreadable(message);
            let error = error.with_subject(R::METHOD, call.request().route().1);
            return Next::Coming(Box::pin(ready(Err(error))));
        }
        let call = call.page_token(token);
        if self.reads_ahead { Next::Coming(start(fetch(call))) } else { Next::Idle(call) }
    }
}

async fn fetch<R: Paged>(call: Call<R>) -> Result<Fetched<R>, Error> {
    let page = R::page(call.clone().send().await?);
    Ok((page, call))
}

impl<R: Paged> Stream for Pages<R> {
    type Item = Result<Page<R::Item>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pages = &mut *self;
        let mut coming = match mem::replace(&mut pages.next, Next::End) {
            Next::Idle(call) => Box::pin(fetch(call)) as Coming<R>,
            Next::Coming(coming) => coming,
            Next::End => return Poll::Ready(None),
        };
        let Poll::Ready(fetched) = coming.as_mut().poll(cx) else {
            pages.next = Next::Coming(coming);
            return Poll::Pending;
        };
        Poll::Ready(Some(fetched.map(|(page, call)| {
            pages.next = pages.following(&page, call);
            page
        })))
    }
}

impl<R: Paged> Unpin for Pages<R> {}

/// Starts a fetch on the runtime, so that it goes on while nobody polls the stream.
fn start<T: Send + 'static>(
    fetch: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Result<T, Error>> + Send>> {
    match Handle::try_current() {
        Ok(runtime) => Box::pin(Started(runtime.spawn(fetch))),
        Err(_) => Box::pin(fetch),
    }
}

/// A task that ends when nobody waits for it any more.
struct Started<T>(JoinHandle<Result<T, Error>>);

impl<T> Future for Started<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = task::ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(ended.unwrap_or_else(|e| {
            let message = "the next page was lost with the runtime that fetched it";
            Err(Error::new(tonic::Code::Cancelled, message).with_source(e))
        }))
    }
}

impl<T> Drop for Started<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<R: Paged> fmt::Debug for Pages<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({})", R::METHOD)
    }
}

/// The items of a listing, as a [`Stream`]. It ends after the last item, or after an error.
#[must_use = "a listing does nothing until it is polled"]
pub struct Items<R: Paged> {
    pages: Pages<R>,
    items: VecDeque<R::Item>,
    unreachable: Vec<String>,
}

impl<R: Paged> Items<R> {
    /// Whether the next page is fetched while the caller works on the last; true unless set.
    pub fn read_ahead(mut self, reads_ahead: bool) -> Self {
        self.pages = self.pages.read_ahead(reads_ahead);
        self
    }

    /// The locations that the service could not reach in the pages so far, each once: their items
    /// are missing.
    pub fn unreachable(&self) -> &[String] {
        &self.unreachable
    }

    /// All items that are left.
    ///
    /// # Errors
    /// If a page cannot be had; what came before it is then lost.
    pub async fn collect(mut self) -> Result<Vec<R::Item>, Error> {
        self.drain().await
    }

    /// All items that are left, leaving the stream at its end to ask what was unreachable.
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    pub async fn drain(&mut self) -> Result<Vec<R::Item>, Error> {
        let mut all = Vec::new();
        while let Some(item) = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await {
            all.push(item?);
        }
        Ok(all)
    }
}

impl<R: Paged> Unpin for Items<R> {}

impl<R: Paged> Stream for Items<R> {
    type Item = Result<R::Item, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            match task::ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => {
                    self.items = page.items.into();
                    for location in page.unreachable {
                        if !self.unreachable.contains(&location) {
                            self.unreachable.push(location);
                        }
                    }
                }
                Some(Err(e)) => return Poll::Ready(Some(Err(e))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<R: Paged> fmt::Debug for Items<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Items({})", R::METHOD)
    }
}
