//! The declaration of a client, the same for every service.
//!
//! It is a macro and not a generic type, so that a client is a type of its own in documentation, in
//! error messages and in completion.

/// Declares a client. The comments on `call`, `resume` and `stack` are the examples of their
/// documentation. The path after `in` is where users find the type, `names` are the types of a
/// location's and a project's name, and `methods` finds a method by its HTTP/2 path.
macro_rules! client {
    (
        $(#[$doc:meta])*
        $client:ident in $module:literal, $service:literal, $emulator:literal;
        names $location:ty, $project:ty;
        methods $classify:path;
        $(#[$call:meta])* call;
        $(#[$resume:meta])* resume;
        $(#[$stack:meta])* stack;
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $client {
            pub(crate) core: std::sync::Arc<$crate::gax::call::Core>,
            preparation: std::sync::Arc<$crate::gax::client::Preparation>,
        }

        impl $client {
            /// Creates a client with Application Default Credentials (feature `adc`), or for
            /// the emulator that
            #[doc = concat!("`", $emulator, "` names (`host:port`, plaintext, no credentials).")]
            ///
            /// # Errors
            /// As [`Builder::build`](crate::Builder::build).
            pub fn new() -> Result<Self, $crate::Error> {
                Self::builder().build()
            }

            /// Starts a client with settings of your own.
            pub fn builder() -> $crate::Builder<Self> {
                $crate::Builder::new()
            }

            /// Fetches a token and opens a connection, so that the first call need not wait for them:
            /// for a readiness probe. A client that the user gives a channel fetches only the token.
            ///
            /// It is one attempt, within the client's timeout.
            ///
            /// # Errors
            /// If there is no token, or if no connection can be opened.
            pub async fn connect(&self) -> Result<(), $crate::Error> {
                self.preparation.run().await
            }

            /// Returns a call for a request message of any method. Every method of this client does
            /// the same.
            ///
            $(#[$call])*
            pub fn call<R: $crate::gax::rpc::Rpc>(&self, request: R) -> $crate::Call<R> {
                $crate::Call::new(self.core.clone(), request)
            }

            /// Resumes an operation that a request of type `R` started, here or in another process.
            /// Nothing is sent until the operation is polled. The first poll fails with
            /// `INVALID_ARGUMENT` if the operation's metadata tells that another method started it.
            ///
            $(#[$resume])*
            pub fn resume<R: $crate::gax::rpc::LongRunning>(
                &self,
                operation: &$crate::gax::name::OperationName,
            ) -> $crate::Operation<R::Output, R::Metadata> {
                self.resume_as(operation).started_by::<R>()
            }

            /// Resumes an operation by the types of its result and its metadata, if the type of the
            /// request that started it is not known.
            pub fn resume_as<T, M>(
                &self,
                operation: &$crate::gax::name::OperationName,
            ) -> $crate::Operation<T, M>
            where
                T: $crate::rpc::Payload,
                M: $crate::rpc::Payload,
            {
                $crate::Operation::resumed(self.core.clone(), operation.clone())
            }

            /// Waits for many operations of a location with few requests: see
            /// [`SharedWaits`](crate::SharedWaits).
            pub fn shared_waits(
                &self,
                location: &$location,
            ) -> $crate::SharedWaits {
                $crate::SharedWaits::new(self.core.clone(), location)
            }

            /// Returns the state of the client now, for a support ticket: its connections, its limits
            /// and its last errors. Clones of the client share them.
            pub fn diagnostics(&self) -> $crate::telemetry::Diagnostics {
                self.core.observer.diagnostics(&self.core.policy)
            }

            /// Returns the whole stack as a service for a raw tonic stub.
            ///
            /// A stub encodes its message before the stack sees it. So no `request_id` is filled in,
            /// mutations are sent again only if they certainly never reached the service, and no
            /// routing header is sent.
            ///
            $(#[$stack])*
            pub fn stack(&self) -> $crate::GrpcStack {
                $crate::gax::client::client_stack(&self.core, <Self as $crate::Client>::classify)
            }
        }

        impl $crate::gax::client::sealed::Sealed for $client {}

        impl $crate::Client for $client {
            const SERVICE: &'static str = $service;
            const EMULATOR_VARIABLE: &'static str = $emulator;

            fn classify(path: &str) -> Option<$crate::gax::rpc::Idempotency> {
                $classify(path)
            }

            fn over(
                core: std::sync::Arc<$crate::gax::call::Core>,
                preparation: $crate::gax::client::Preparation,
            ) -> Self {
                Self { core, preparation: std::sync::Arc::new(preparation) }
            }

            fn core(&self) -> &std::sync::Arc<$crate::gax::call::Core> {
                &self.core
            }
        }

        impl std::fmt::Debug for $client {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($client)).finish_non_exhaustive()
            }
        }

        $crate::gax::client::mixins!($client in $module, $location, $project);
    };
}
pub(crate) use client;
