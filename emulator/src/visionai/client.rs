//! Access to the emulated Vision AI.

use crate::emulator::Emulator;
use livestream_client::{Builder as ClientBuilder, visionai::StreamsClient};

impl Emulator {
    /// A client of this emulator's Vision AI, connected within the process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), livestream_client::Error> {
    /// use livestream_emulator::Emulator;
    /// use livestream_client::{name::LocationName, visionai::model::Cluster};
    ///
    /// let client = Emulator::builder().speed(100_000).build().streams_client();
    /// let location = LocationName::new("my-project", "us-central1")?;
    /// let create = client.create_cluster(&location, Cluster::default(), "shop");
    /// assert!(create.wait().await?.name.ends_with("/clusters/shop"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn streams_client(&self) -> StreamsClient {
        self.streams_client_builder().build().expect("the default settings are valid")
    }

    /// Builds a client of this emulator's Vision AI, connected within the process, with settings of
    /// your own.
    pub fn streams_client_builder(&self) -> ClientBuilder<StreamsClient> {
        self.builder_of()
    }

    /// Whether there is a file with this name in Cloud Storage: one that was added with
    /// [`Emulator::put_object`], or a thumbnail.
    pub fn has_object(&self, name: &str) -> bool {
        self.state().objects.contains_key(name)
    }
}
