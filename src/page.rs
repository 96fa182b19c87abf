//! Listings as streams, page by page or item by item.
//!
//! Each page is a call of its own, with its own deadline and retries. An empty page that names a
//! next one does not end a listing; a service that names the same page twice would never end it,
//! which is an error ([AIP-158](https://google.aip.dev/158)).

use crate::{
    call::Call,
    error::Error,
    rpc::{Page, Paged},
};
use futures_core::Stream;
use futures_util::stream;
use std::{
    collections::VecDeque,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

impl<R: Paged> Call<R> {
    /// The most items that a page may hold; 0 leaves it to the service, which may give fewer.
    pub fn page_size(self, size: i32) -> Self {
        self.with(|request| *request.page_size_mut() = size)
    }

    /// Starts at the page that this token names, instead of the first.
    pub fn page_token(self, token: impl Into<String>) -> Self {
        self.with(|request| *request.page_token_mut() = token.into())
    }

    /// The listing, a page at a time.
    pub fn pages(self) -> Pages<R> {
        let pages = stream::try_unfold(Some(self), |next| async {
            let Some(call) = next else { return Ok(None) };
            let page = R::page(call.clone().send().await?);
            let next = following(call, &page)?;
            Ok(Some((page, next)))
        });
        Pages(Box::pin(pages))
    }

    /// The listing, an item at a time.
    pub fn items(self) -> Items<R> {
        Items { pages: self.pages(), items: VecDeque::new(), unreachable: Vec::new() }
    }
}

/// The call for the page after this one, if there is one.
fn following<R: Paged>(mut call: Call<R>, page: &Page<R::Item>) -> Result<Option<Call<R>>, Error> {
    if page.next_page_token.is_empty() {
        return Ok(None);
    }
    let mut last = String::new();
    call = call.with(|request| last = mem::take(request.page_token_mut()));
    if last == page.next_page_token {
        let message = "the service names the same page twice: the listing would never end";
        let error = Error::unreadable(message);
        return Err(error.with_subject(R::METHOD, call.request().route().1));
    }
    Ok(Some(call.page_token(&page.next_page_token)))
}

/// The pages of a listing, as a [`Stream`].
#[must_use = "a listing does nothing until it is polled"]
pub struct Pages<R: Paged>(Pin<Box<dyn Stream<Item = Result<Page<R::Item>, Error>> + Send>>);

impl<R: Paged> Stream for Pages<R> {
    type Item = Result<Page<R::Item>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<R: Paged> fmt::Debug for Pages<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({})", R::METHOD)
    }
}

/// The items of a listing, as a [`Stream`].
#[must_use = "a listing does nothing until it is polled"]
pub struct Items<R: Paged> {
    pages: Pages<R>,
    items: VecDeque<R::Item>,
    unreachable: Vec<String>,
}

impl<R: Paged> Items<R> {
    /// The locations that the service could not reach in the pages so far: their items are missing.
    pub fn unreachable(&self) -> &[String] {
        &self.unreachable
    }

    /// All items that are left.
    ///
    /// # Errors
    /// If a page cannot be had; what came before it is then lost.
    pub async fn collect(mut self) -> Result<Vec<R::Item>, Error> {
        let mut all = Vec::new();
        while let Some(item) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
            all.push(item?);
        }
        Ok(all)
    }
}

// Items are only moved in and out of the queue.
impl<R: Paged> Unpin for Items<R> {}

impl<R: Paged> Stream for Items<R> {
    type Item = Result<R::Item, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => {
                    self.items = page.items.into();
                    self.unreachable.extend(page.unreachable);
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
