//! Listings as streams, page by page or item by item.
//!
//! Each page is a call of its own, with its own deadline and retries. The next page is fetched while
//! the caller works on the last one. An empty page with a token does not end a listing. A token that
//! the service sends twice is an error, because the listing would never end
//! ([AIP-158](https://google.aip.dev/158)).

use super::{
    call::Call,
    error::Error,
    observe,
    planted::planted,
    rpc::{Filtered, Ordered, Page, Paged},
};
use futures_core::Stream;
use std::{
    collections::{HashSet, VecDeque},
    fmt,
    future::{poll_fn, ready},
    mem,
    pin::Pin,
    task::{self, Context, Poll},
};
use tokio::{runtime::Handle, task::JoinHandle};

impl<R: Paged> Call<R> {
    /// Sets the maximum number of items in a page. 0 leaves the choice to the service. A page may hold
    /// fewer items.
    pub fn page_size(self, size: i32) -> Self {
        self.with(|request| *request.page_size_mut() = size)
    }

    /// Starts at the page with this token, instead of the first page: resumes a listing.
    pub fn page_token(self, token: impl Into<String>) -> Self {
        self.with(|request| *request.page_token_mut() = token.into())
    }

    /// Returns the listing as a stream of pages. Another listing can resume at the token of a page.
    pub fn pages(self) -> Pages<R> {
        let mut start = String::new();
        let call = self.with(|request| start.clone_from(request.page_token_mut()));
        Pages { next: Next::Idle(call), seen: HashSet::from([start]), reads_ahead: true }
    }

    /// Returns the listing as a stream of items.
    ///
    #[doc = include_str!("../guide/examples/items.md")]
    pub fn items(self) -> Items<R> {
        Items { pages: self.pages(), items: VecDeque::new(), unreachable: Vec::new() }
    }
}

impl<R: Filtered> Call<R> {
    /// Lists only items that match an expression, such as `labels.show = "news"`, in the syntax of
    /// [AIP-160](https://google.aip.dev/160).
    ///
    /// An empty expression matches everything. The service does not document which fields it can
    /// filter by. It answers an expression that it cannot use with `INVALID_ARGUMENT`.
    pub fn filter(self, filter: impl Into<String>) -> Self {
        self.with(|request| *request.filter_mut() = filter.into())
    }
}

impl<R: Ordered> Call<R> {
    /// Sorts by fields, separated by commas, with ` desc` after a field that descends, such as
    /// `create_time desc` ([AIP-132](https://google.aip.dev/132#ordering)).
    ///
    /// An empty text leaves the order to the service. For some listings, the service takes the order
    /// as a hint only.
    pub fn order_by(self, order_by: impl Into<String>) -> Self {
        self.with(|request| *request.order_by_mut() = order_by.into())
    }
}

/// The pages of a listing, as a [`Stream`]. The stream ends after the last page or after an error.
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

/// A page that is being fetched, and its call.
type Coming<R> = Pin<Box<dyn Future<Output = Result<Fetched<R>, Error>> + Send>>;
type Fetched<R> = (Page<<R as Paged>::Item>, Call<R>);

impl<R: Paged> Pages<R> {
    /// Whether to fetch the next page while the caller works on the last one; true unless set.
    ///
    /// Turn it off for listings that you rarely read to the end, to save requests.
    pub fn read_ahead(mut self, reads_ahead: bool) -> Self {
        self.reads_ahead = reads_ahead;
        self
    }

    /// The step after this page.
    fn following(&mut self, page: &Page<R::Item>, call: Call<R>) -> Next<R> {
        let token = &page.next_page_token;
        if token.is_empty() {
            return Next::End;
        }
        if !self.seen.insert(token.clone()) {
            let message = "the service sent a page token twice: the listing would never end";
            let error = Error::unreadable(message);
            let error = error.with_subject(R::METHOD, call.request().route().1);
            return Next::Coming(Box::pin(ready(Err(error))));
        }
        planted!("asks for the same page again", return Next::Idle(call));
        let call = call.page_token(token);
        if self.reads_ahead { Next::Coming(start(call)) } else { Next::Idle(call) }
    }
}

async fn fetch<R: Paged>(call: Call<R>) -> Result<Fetched<R>, Error> {
    let page = R::page(call.clone().respond().await?);
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

/// Spawns a fetch on the runtime, so that it goes on while the stream is not polled.
///
/// A stream that is polled on another runtime fetches the page itself: the first one may have ended,
/// or may not be driven any more.
fn start<R: Paged>(call: Call<R>) -> Coming<R> {
    let Ok(runtime) = Handle::try_current() else { return Box::pin(fetch(call)) };
    let mut task = Started(runtime.spawn(observe::inherit(fetch(call.clone()))));
    let has_moved = move || Handle::try_current().is_ok_and(|now| now.id() != runtime.id());
    Box::pin(async move {
        let ended = poll_fn(|cx| match Pin::new(&mut task.0).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.ok()),
            Poll::Pending if has_moved() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match ended.await {
            Some(fetched) => fetched,
            None => {
                drop(task);
                fetch(call).await
            }
        }
    })
}

/// A task that is aborted when it is dropped.
struct Started<T>(JoinHandle<T>);

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

/// The items of a listing, as a [`Stream`]. The stream ends after the last item or after an error.
#[must_use = "a listing does nothing until it is polled"]
pub struct Items<R: Paged> {
    pages: Pages<R>,
    items: VecDeque<R::Item>,
    unreachable: Vec<String>,
}

impl<R: Paged> Items<R> {
    /// Whether to fetch the next page while the caller works on the last one; true unless set.
    pub fn read_ahead(mut self, reads_ahead: bool) -> Self {
        self.pages = self.pages.read_ahead(reads_ahead);
        self
    }

    /// The locations that the service could not reach in the pages so far, each once. Their items are
    /// missing.
    pub fn unreachable(&self) -> &[String] {
        &self.unreachable
    }

    /// Collects the remaining items.
    ///
    /// # Errors
    /// The error of the first page that cannot be fetched. The items before it are lost.
    pub async fn collect(mut self) -> Result<Vec<R::Item>, Error> {
        self.drain().await
    }

    /// Collects the remaining items and keeps the stream, so that you can call
    /// [`unreachable`](Self::unreachable).
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    pub async fn drain(&mut self) -> Result<Vec<R::Item>, Error> {
        let mut all = Vec::new();
        while let Some(item) = poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await {
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
