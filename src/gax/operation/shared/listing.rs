//! Reading a location's operations, as far as that pays.

use super::{MOST_REQUESTS, Shared};
use crate::{
    gax::{
        call::Call,
        error::Error,
        rpc::{Page, Paged},
    },
    proto::google::longrunning::{self, ListOperationsRequest},
};
use std::time::Duration;

/// Where the listing is worth reading, kept from tick to tick.
#[derive(Default)]
pub(super) struct Listing {
    /// The first page that showed anything when it was last read: what is before it is history.
    front: String,
    /// Where the last tick had to stop although the pages still paid.
    rest: Option<String>,
}

/// The most operations that a page may hold; the service may give fewer.
const PAGE_SIZE: i32 = 500;
/// A page is read only if it may serve this many waiters; for fewer, gets are used.
const WORTH_A_PAGE: usize = 4;
/// For this many unheard operations, one more page in vain is put up with in a tick …
const WORTH_A_PAGE_IN_VAIN: usize = 16;
/// … but never more than these: the listing may hold none of them.
const MOST_PAGES_IN_VAIN: usize = 10;
/// The most pages in one tick; what is left of the requests is for gets.
const MOST_PAGES: usize = MOST_REQUESTS * 3 / 4;
/// The rest that a page is followed by: half of the 300 lists a minute that a region allows.
const REST_PER_PAGE: Duration = Duration::from_millis(400);

impl Listing {
    /// Reads pages while they show what is waited for; returns how many, and how long to rest for
    /// them.
    pub(super) async fn read(&mut self, shared: &Shared, tick: u64) -> (usize, Duration) {
        // Pages in vain move the front, until one shows something.
        let mut is_front = self.rest.is_none();
        let mut token = self.rest.take().unwrap_or_else(|| self.front.clone());
        let worth = 1 + shared.unheard(tick) / WORTH_A_PAGE_IN_VAIN;
        let mut patience = worth.min(MOST_PAGES_IN_VAIN);
        let mut pages = 0;
        while patience > 0 && shared.unheard(tick) >= WORTH_A_PAGE {
            if pages == MOST_PAGES {
                self.rest = Some(token);
                break;
            }
            pages += 1;
            let page = match list(shared, &token).await {
                Ok(page) => page,
                Err(e) if e.is_transient() => break,
                // Perhaps the token has grown too old.
                Err(_) => {
                    self.front.clear();
                    break;
                }
            };
            let mut shows_any = false;
            for state in page.items {
                let name = state.name.clone();
                shows_any |= shared.hear(&name, state, tick);
            }
            if shows_any {
                is_front = false;
            } else {
                patience -= 1;
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
}

async fn list(shared: &Shared, token: &str) -> Result<Page<longrunning::Operation>, Error> {
    let request = ListOperationsRequest {
        name: String::from(&shared.location),
        page_size: PAGE_SIZE,
        page_token: token.to_owned(),
        ..ListOperationsRequest::default()
    };
    Ok(ListOperationsRequest::page(Call::new(shared.core.clone(), request).send().await?))
}
