//! What a client is, whatever its service: some facts, and a hand on the shared core.
//!
//! Written once as a macro, not as a generic type: a user's `LivestreamClient` is then a type of
//! its own in documentation, error messages and completion.

/// Declares a client with all that is the same for every service. The comments on `call`, `resume`
/// and `stack` are the examples of their documentation; the path after `in` is where users find
/// the type.
macro_rules! client {
    (
        $(#[$doc:meta])*
        $client:ident in $module:literal, $service:literal, $emulator:literal;
        $(#[$call:meta])* call;
        $(#[$resume:meta])* resume;
        $(#[$stack:meta])* stack;
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $client {
            pub(crate) core: std::sync::Arc<$crate::gax::call::Core>,
        }

        impl $client {
            /// A client with Application Default Credentials (feature `adc`), or for the emulator that
            #[doc = concat!("`", $emulator, "` names (`host:port`, plaintext, no credentials).")]
            ///
            /// # Errors
            /// As [`Builder::build`](crate::Builder::build).
            pub fn new() -> Result<Self, $crate::Error> {
                Self::builder().build()
            }

            /// Builds a client with settings of your own.
            pub fn builder() -> $crate::Builder<Self> {
                $crate::Builder::new()
            }

            /// A call of any method by its request message, with all policy applied: what every
            /// method here does.
            ///
            $(#[$call])*
            pub fn call<R: $crate::gax::rpc::Rpc>(&self, request: R) -> $crate::Call<R> {
                $crate::Call::new(self.core.clone(), request)
            }

            /// Takes up an operation that a request of type `R` started, here or in another process.
            /// Nothing is sent until it is polled.
            ///
            $(#[$resume])*
            pub fn resume<R: $crate::gax::rpc::LongRunning>(
                &self,
                operation: &$crate::name::OperationName,
            ) -> $crate::Operation<R::Output, R::Metadata> {
                self.resume_as(operation)
            }

            /// [`resume`](Self::resume) by what the operation yields and what its metadata is, where
            /// the request that started it is not known.
            pub fn resume_as<T, M>(
                &self,
                operation: &$crate::name::OperationName,
            ) -> $crate::Operation<T, M>
            where
                T: prost::Message + prost::Name + Default,
                M: prost::Message + prost::Name + Default,
            {
                $crate::Operation::resumed(self.core.clone(), operation.clone())
            }

            /// Waits for many operations of a location with few requests: see
            /// [`SharedWaits`](crate::SharedWaits).
            pub fn shared_waits(
                &self,
                location: &$crate::name::LocationName,
            ) -> $crate::SharedWaits {
                $crate::SharedWaits::new(self.core.clone(), location)
            }

            /// The whole stack as a service for a raw tonic stub.
            ///
            /// A stub's message is encoded before the stack sees it: no `request_id` is filled in,
            /// so that mutations are retried only if they surely never arrived, and no routing
            /// header is sent.
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
                $crate::methods::classify(path)
            }

            fn over(core: std::sync::Arc<$crate::gax::call::Core>) -> Self {
                Self { core }
            }
        }

        impl std::fmt::Debug for $client {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($client)).finish_non_exhaustive()
            }
        }

        $crate::gax::client::mixins!($client in $module);
    };
}
pub(crate) use client;
