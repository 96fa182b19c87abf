//! A server over h2, as programs have it. It recycles its connections from time to time.

use crate::{
    by_hand::answer_to,
    faults::{self, Fields, Plan, Step},
    proxy::BoxIo,
    world::World,
};
use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::{future::poll_fn, sync::Arc};
use tokio::{task::JoinSet, time::sleep};

/// Serves one connection to its end.
pub async fn serve(io: BoxIo, world: Arc<World>) {
    let mut rng = world.rng();
    let lasts = rng.usize(20..400);
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams([4, 20, 100, 1000][rng.usize(..4)]);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else { return };
    let mut calls = JoinSet::new();
    let mut accepted = 0;
    while let Some(Ok((request, reply))) = connection.accept().await {
        let (world, rng) = (world.clone(), rng.fork());
        calls.spawn(handle(world, rng, request, reply));
        accepted += 1;
        if accepted == lasts {
            connection.graceful_shutdown();
        }
        while calls.try_join_next().is_some() {}
    }
}

async fn handle(
    world: Arc<World>,
    mut rng: fastrand::Rng,
    request: Request<RecvStream>,
    mut reply: SendResponse<Bytes>,
) {
    let Some(body) = receive(request.into_body()).await else { return };
    let fault = world.ordinary_fault();
    let Some(request) = world.truth.read(&body) else { return };
    let Plan { carries_out, steps } = faults::plan(fault, &answer_to(&request), &mut rng);
    if carries_out {
        world.truth.carry_out(&request);
    }
    let mut stream = None;
    for step in steps {
        // The client may have given up.
        if respond(&mut reply, &mut stream, step).await.is_none() {
            return;
        }
    }
}

async fn receive(mut body: RecvStream) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        body.flow_control().release_capacity(piece.len()).ok()?;
        whole.extend_from_slice(&piece);
    }
    Some(whole.freeze())
}

async fn respond(
    reply: &mut SendResponse<Bytes>,
    stream: &mut Option<SendStream<Bytes>>,
    step: Step,
) -> Option<()> {
    match step {
        Step::Wait(time) => sleep(time).await,
        Step::Headers(fields) => *stream = Some(reply.send_response(head(&fields), false).ok()?),
        Step::Only(fields) => drop(reply.send_response(head(&fields), true).ok()?),
        Step::Data(data) => stream.as_mut()?.send_data(data, false).ok()?,
        Step::LastData(data) => stream.as_mut()?.send_data(data, true).ok()?,
        Step::Trailers(fields) => stream.as_mut()?.send_trailers(map(&fields)).ok()?,
        Step::Reset(code) => match stream {
            Some(stream) => stream.send_reset(Reason::from(code)),
            None => reply.send_reset(Reason::from(code)),
        },
        Step::Silence => {
            let _ = match stream {
                Some(stream) => poll_fn(|cx| stream.poll_reset(cx)).await,
                None => poll_fn(|cx| reply.poll_reset(cx)).await,
            };
        }
        Step::Interim | Step::PaddedData(_) | Step::SplitHeaders(_) | Step::OpenTrailers(_) => {
            unreachable!("written by hand")
        }
    }
    Some(())
}

fn head(fields: &Fields) -> Response<()> {
    let mut response = Response::new(());
    let (status, rest) = fields.split_first().expect("a status");
    *response.status_mut() = status.1.parse().expect("a valid status");
    *response.headers_mut() = map(rest);
    response
}

fn map(fields: &[(&'static str, String)]) -> HeaderMap {
    let parse = |(name, value): &(&'static str, String)| {
        let value = HeaderValue::try_from(value).expect("a header value");
        (HeaderName::from_static(name), value)
    };
    fields.iter().map(parse).collect()
}
