//! Reading a location's operations, as far as that pays.

use super::waiters::Waiters;
use crate::{
    gax::{
        call::{Call, Core},
        error::Error,
        rpc::{Page, Paged},
    },
    proto::google::longrunning::{self, ListOperationsRequest},
};
use std::{sync::Arc, time::Duration};

/// Where the listing is worth reading, kept from tick to tick.
pub(super) struct Listing {
    core: Arc<Core>,
    location: String,
    /// The first page that showed an awaited operation when it was last read: the pages before it
    /// are history.
    front: String,
    /// Where the last tick had to stop although the pages still paid.
    rest: Option<String>,
}

/// The maximum number of requests in one tick, pages and single gets together.
pub(super) const MAX_REQUESTS: usize = 100;
/// The maximum number of operations in a page; the service may give fewer.
const PAGE_SIZE: i32 = 500;
/// A page is read only if it may serve this many waiters; for fewer, gets are used.
const WORTH_A_PAGE: usize = 4;
/// For this many unheard operations, a tick may read one more page that shows none of them …
const WORTH_A_FRUITLESS_PAGE: usize = 16;
/// … but never more pages than these: the listing may hold none of the operations.
const MAX_FRUITLESS_PAGES: usize = 10;
/// The maximum number of pages in one tick; the rest of the requests is for gets.
const MAX_PAGES: usize = MAX_REQUESTS * 3 / 4;
/// The rest after a page: half of the 300 lists a minute that a region allows.
const REST_PER_PAGE: Duration = Duration::from_millis(400);

impl Listing {
    pub(super) fn new(core: Arc<Core>, location: String) -> Self {
        Self { core, location, front: String::new(), rest: None }
    }

    /// Reads pages while they show operations that are waited for. Returns the number of pages, and
    /// how long to rest after them.
    pub(super) async fn read(&mut self, waiters: &Waiters, tick: u64) -> (usize, Duration) {
        // Fruitless pages move the front, until a page shows something.
        let mut is_front = self.rest.is_none();
        let mut token = self.rest.take().unwrap_or_else(|| self.front.clone());
        let worth = 1 + waiters.unheard(tick) / WORTH_A_FRUITLESS_PAGE;
        let mut fruitless_left = worth.min(MAX_FRUITLESS_PAGES);
        let mut pages = 0;
        while fruitless_left > 0 && waiters.unheard(tick) >= WORTH_A_PAGE {
            if pages == MAX_PAGES {
                self.rest = Some(token);
                break;
            }
            pages += 1;
            let with_metadata = waiters.need_metadata();
            let page = match self.page(&token, with_metadata).await {
                Ok(page) => page,
                Err(e) if e.is_transient() => break,
                // The token may have expired.
                Err(_) => {
                    self.front.clear();
                    break;
                }
            };
            let mut shows_any = false;
            for operation in page.items {
                let name = operation.name.clone();
                shows_any |= waiters.hear(&name, operation, tick, with_metadata);
            }
            if shows_any {
                is_front = false;
            } else {
                fruitless_left -= 1;
                if is_front {
                    self.front.clone_from(&page.next_page_token);
                }
            }
            if page.next_page_token.is_empty() {
                break;
            }
            token = page.next_page_token;
        }
        (pages, REST_PER_PAGE * u32::try_from(pages).unwrap_or(u32::MAX))
    }

    /// The metadata is of use only to check which request started an operation.
    async fn page(
        &self,
        token: &str,
        with_metadata: bool,
    ) -> Result<Page<longrunning::Operation>, Error> {
        let request = ListOperationsRequest {
            name: self.location.clone(),
            page_size: PAGE_SIZE,
            page_token: token.to_owned(),
            ..ListOperationsRequest::default()
        };
        let fields = ["name", "done", "error", "response"];
        let fields = fields.into_iter().chain(with_metadata.then_some("metadata"));
        let call = Call::new(self.core.clone(), request).fields(fields);
        Ok(ListOperationsRequest::page(call.respond().await?))
    }
}
