//! The control service: the controls of [`Emulator`] for other programs, in any language.

use super::{
    changes::{Change, set_time},
    control_proto::{
        AdvanceClockRequest, ClearFaultsRequest, ClearRequestsRequest, Clock,
        ConnectEncoderRequest, CreateSnapshotRequest, DeleteFaultRequest, DisconnectEncoderRequest,
        FailResourceRequest, Fault, GetClockRequest, InjectFaultRequest, ListFaultsRequest,
        ListFaultsResponse, ListRequestsRequest, ListRequestsResponse, LoadStateRequest,
        LoadStateResponse, PauseClockRequest, PutObjectRequest, RecoverChannelRequest,
        Request as LogEntry, ResetRequest, RestoreSnapshotRequest, ResumeClockRequest,
        SetClockRequest, SetStreamingStateRequest, Snapshot as SnapshotInfo,
        control_server::Control, fault,
    },
    emulator::Emulator,
    execute::Ticket,
    gate::{self, Effect, FaultId, LoggedRequest},
    pipeline::Object,
    status,
};
use livestream_client::{model::channel::StreamingState, proto::google::rpc};
use prost::Message as _;
use std::time::{Duration, SystemTime};
use tonic::{Code, Request, Response, Status};

/// How many snapshots are kept.
const MAX_SNAPSHOTS: usize = 100;

/// Implements the methods. Those with `kept` change the state, and those with `clock` the clock, so that
/// a journal has them.
macro_rules! control {
    (
        kept { $($kept:ident($kept_request:ident) -> $kept_response:ty, $name:literal;)+ }
        clock { $($timed:ident($timed_request:ident);)+ }
        other { $($method:ident($request:ident) -> $response:ty;)+ }
    ) => {
        #[tonic::async_trait]
        impl Control for Emulator {
            $(async fn $kept(
                &self,
                request: Request<$kept_request>,
            ) -> Result<Response<$kept_response>, Status> {
                let path = concat!("/livestream.emulator.v1.Control/", $name);
                let change = |request: &mut $kept_request| $kept(self, request);
                let (answer, ticket) = self.control(path, request.into_inner(), change);
                self.settled(ticket).await?;
                answer.map(Response::new)
            })+
            $(async fn $timed(
                &self,
                request: Request<$timed_request>,
            ) -> Result<Response<Clock>, Status> {
                let (answer, ticket) = $timed(self, request.into_inner());
                self.settled(ticket).await?;
                answer.map(|()| Response::new(clock(self)))
            })+
            $(async fn $method(
                &self,
                request: Request<$request>,
            ) -> Result<Response<$response>, Status> {
                $method(self, request.into_inner()).map(Response::new)
            })+
        }

        /// Executes a request from a journal, unless its path is that of another service.
        pub(super) fn replay(
            emulator: &Emulator,
            path: &str,
            message: &[u8],
        ) -> Option<Result<(), Status>> {
            match path.strip_prefix("/livestream.emulator.v1.Control/")? {
                $($name => {
                    let request = $kept_request::decode(message);
                    let request = request.map_err(|e| Status::data_loss(e.to_string()));
                    Some(request.and_then(|mut request| $kept(emulator, &mut request).map(drop)))
                })+
                _ => None,
            }
        }
    };
}

control! {
    kept {
        connect_encoder(ConnectEncoderRequest) -> (), "ConnectEncoder";
        disconnect_encoder(DisconnectEncoderRequest) -> (), "DisconnectEncoder";
        put_object(PutObjectRequest) -> (), "PutObject";
        fail_resource(FailResourceRequest) -> (), "FailResource";
        recover_channel(RecoverChannelRequest) -> (), "RecoverChannel";
        set_streaming_state(SetStreamingStateRequest) -> (), "SetStreamingState";
        reset(ResetRequest) -> (), "Reset";
        create_snapshot(CreateSnapshotRequest) -> SnapshotInfo, "CreateSnapshot";
        restore_snapshot(RestoreSnapshotRequest) -> SnapshotInfo, "RestoreSnapshot";
    }
    clock {
        get_clock(GetClockRequest);
        advance_clock(AdvanceClockRequest);
        set_clock(SetClockRequest);
        pause_clock(PauseClockRequest);
        resume_clock(ResumeClockRequest);
    }
    other {
        inject_fault(InjectFaultRequest) -> Fault;
        list_faults(ListFaultsRequest) -> ListFaultsResponse;
        delete_fault(DeleteFaultRequest) -> ();
        clear_faults(ClearFaultsRequest) -> ();
        list_requests(ListRequestsRequest) -> ListRequestsResponse;
        clear_requests(ClearRequestsRequest) -> ();
        load_state(LoadStateRequest) -> LoadStateResponse;
    }
}

fn clock(emulator: &Emulator) -> Clock {
    let time = Some(emulator.now().into());
    Clock { time, speed: emulator.speed(), paused: emulator.is_paused() }
}

/// Whether a change of the clock was made, and its place in the journal.
type Changed = (Result<(), Status>, Ticket);

fn get_clock(emulator: &Emulator, _: GetClockRequest) -> Changed {
    (Ok(()), emulator.ticket())
}

fn advance_clock(emulator: &Emulator, request: AdvanceClockRequest) -> Changed {
    emulator.change_clock(|clock| {
        let by = request.by.ok_or_else(|| status::invalid("by", "is required"))?;
        clock.advance(duration("by", by)?);
        Ok(())
    })
}

fn set_clock(emulator: &Emulator, request: SetClockRequest) -> Changed {
    emulator.change_clock(|clock| {
        if request.speed == Some(0) {
            return Err(status::invalid("speed", "must be greater than zero; use PauseClock"));
        }
        if let Some(time) = request.time {
            let reason = "is not a valid time";
            let time = SystemTime::try_from(time).map_err(|_| status::invalid("time", reason))?;
            set_time(clock, time)?;
        }
        if let Some(speed) = request.speed {
            clock.set_speed(speed);
        }
        Ok(())
    })
}

fn pause_clock(emulator: &Emulator, _: PauseClockRequest) -> Changed {
    emulator.change_clock(|clock| {
        clock.pause(true);
        Ok(())
    })
}

fn resume_clock(emulator: &Emulator, _: ResumeClockRequest) -> Changed {
    emulator.change_clock(|clock| {
        clock.pause(false);
        Ok(())
    })
}

fn duration(field: &str, duration: prost_types::Duration) -> Result<Duration, Status> {
    let reason = "is not a duration from zero to 10,000 years";
    livestream_client::time::std_duration(&duration).map_err(|_| status::invalid(field, reason))
}

fn inject_fault(emulator: &Emulator, request: InjectFaultRequest) -> Result<Fault, Status> {
    let mut fault = request.fault.unwrap_or_default();
    let effect = match fault.effect.clone() {
        None => return Err(status::invalid("fault.effect", "is required")),
        Some(fault::Effect::Status(error)) => match Code::from_i32(error.code) {
            Code::Ok => return Err(status::invalid("fault.status.code", "must be an error")),
            _ => Effect::Status(status_of(&error)),
        },
        Some(fault::Effect::Delay(by)) => Effect::Delay(duration("fault.delay", by)?),
        Some(fault::Effect::AnswerLost(())) => Effect::AnswerLost,
        Some(fault::Effect::StreamReset(())) => Effect::StreamReset,
        Some(fault::Effect::GoAway(())) => Effect::GoAway,
        Some(fault::Effect::ConnectionDropped(())) => Effect::ConnectionDropped,
        Some(fault::Effect::Silence(())) => Effect::Silence,
    };
    let rate = fault.rate.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&rate) {
        return Err(status::invalid("fault.rate", "must be from 0 to 1"));
    }
    let (method, resource) = (fault.method.clone(), fault.resource.clone());
    let added =
        gate::Fault { effect, method, resource, skip: fault.skip, times: fault.times, rate };
    fault.id = emulator.inject(added).0;
    Ok(fault)
}

fn list_faults(emulator: &Emulator, _: ListFaultsRequest) -> Result<ListFaultsResponse, Status> {
    let gate = emulator.gate();
    let faults = gate.faults.rules().iter().map(|(FaultId(id), own)| Fault {
        id: *id,
        method: own.method.clone(),
        resource: own.resource.clone(),
        skip: own.skip,
        times: own.times,
        rate: Some(own.rate),
        effect: Some(match &own.effect {
            Effect::Status(error) => fault::Effect::Status(status::to_message(error)),
            Effect::Delay(by) => {
                fault::Effect::Delay(prost_types::Duration::try_from(*by).unwrap_or_default())
            }
            Effect::AnswerLost => fault::Effect::AnswerLost(()),
            Effect::StreamReset => fault::Effect::StreamReset(()),
            Effect::GoAway => fault::Effect::GoAway(()),
            Effect::ConnectionDropped => fault::Effect::ConnectionDropped(()),
            Effect::Silence => fault::Effect::Silence(()),
        }),
    });
    Ok(ListFaultsResponse { faults: faults.collect() })
}

fn delete_fault(emulator: &Emulator, request: DeleteFaultRequest) -> Result<(), Status> {
    let id = request.id.parse().map_err(|_| status::invalid("id", "is not a number"))?;
    match emulator.remove_fault(FaultId(id)) {
        true => Ok(()),
        false => Err(status::not_found(&format!("faults/{id}"))),
    }
}

fn clear_faults(emulator: &Emulator, _: ClearFaultsRequest) -> Result<(), Status> {
    emulator.clear_faults();
    Ok(())
}

fn connect_encoder(emulator: &Emulator, request: &mut ConnectEncoderRequest) -> Result<(), Status> {
    Change::Connect(request.name.clone()).apply(emulator)
}

fn disconnect_encoder(
    emulator: &Emulator,
    request: &mut DisconnectEncoderRequest,
) -> Result<(), Status> {
    Change::Disconnect(request.name.clone()).apply(emulator)
}

fn put_object(emulator: &Emulator, request: &mut PutObjectRequest) -> Result<(), Status> {
    let object = Object { bytes: request.bytes, crc32c: request.crc32c };
    Change::PutObject(request.uri.clone(), object).apply(emulator)
}

fn fail_resource(emulator: &Emulator, request: &mut FailResourceRequest) -> Result<(), Status> {
    let error = match &request.error {
        Some(error) => status_of(error),
        None => Status::internal("made to fail through the control service"),
    };
    let (name, key) = (request.name.clone(), request.distribution_key.clone());
    Change::Fail { name, key, error }.apply(emulator)
}

fn recover_channel(emulator: &Emulator, request: &mut RecoverChannelRequest) -> Result<(), Status> {
    Change::Recover(request.name.clone()).apply(emulator)
}

fn set_streaming_state(
    emulator: &Emulator,
    request: &mut SetStreamingStateRequest,
) -> Result<(), Status> {
    let next = StreamingState::from_str_name(&request.state)
        .ok_or_else(|| status::invalid("state", "is not a streaming state"))?;
    Change::SetStreamingState(request.name.clone(), next).apply(emulator)
}

/// The status with its details.
fn status_of(error: &rpc::Status) -> Status {
    let details = error.encode_to_vec().into();
    Status::with_details(Code::from_i32(error.code), error.message.clone(), details)
}

fn list_requests(
    emulator: &Emulator,
    request: ListRequestsRequest,
) -> Result<ListRequestsResponse, Status> {
    let projects = emulator.projects();
    let gate = emulator.gate();
    let is_wanted = |logged: &&LoggedRequest| {
        (request.method.is_empty() || request.method == logged.method())
            && (request.resource.is_empty()
                || projects.is_same(&request.resource, logged.resource()))
            && logged.number() > request.after
    };
    let requests = gate.log.requests().filter(is_wanted).map(|logged| LogEntry {
        number: logged.number(),
        time: Some(logged.time().into()),
        method: logged.method().to_owned(),
        path: logged.path().to_owned(),
        resource: logged.resource().to_owned(),
        headers: logged
            .headers()
            .iter()
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        json: logged.is_json(),
        message: logged.message().unwrap_or_default().to_vec(),
        status: logged.code().map(|code| rpc::Status {
            code: code as i32,
            message: logged.error_message().to_owned(),
            details: Vec::new(),
        }),
    });
    Ok(ListRequestsResponse { requests: requests.collect() })
}

fn clear_requests(emulator: &Emulator, _: ClearRequestsRequest) -> Result<(), Status> {
    emulator.clear_requests();
    Ok(())
}

fn reset(emulator: &Emulator, _: &mut ResetRequest) -> Result<(), Status> {
    Change::Reset.apply(emulator)
}

fn load_state(emulator: &Emulator, request: LoadStateRequest) -> Result<LoadStateResponse, Status> {
    let recovered = emulator.load_state(&request.journal)?;
    Ok(LoadStateResponse { requests: recovered.requests })
}

fn create_snapshot(
    emulator: &Emulator,
    request: &mut CreateSnapshotRequest,
) -> Result<SnapshotInfo, Status> {
    let snapshot = emulator.snapshot();
    let time = Some(snapshot.time().into());
    let mut snapshots = emulator.snapshots();
    if request.id.is_empty() {
        // The journal gets the id too: a replay may have fewer snapshots.
        let mut ids = (1_u64..).map(|n| format!("snapshot-{n}"));
        request.id = ids.find(|id| !snapshots.contains_key(id)).unwrap_or_default();
    }
    let id = request.id.clone();
    if snapshots.len() >= MAX_SNAPSHOTS && !snapshots.contains_key(&id) {
        return Err(status::exhausted("snapshots", "snapshots", MAX_SNAPSHOTS));
    }
    snapshots.insert(id.clone(), snapshot);
    Ok(SnapshotInfo { id, time })
}

fn restore_snapshot(
    emulator: &Emulator,
    request: &mut RestoreSnapshotRequest,
) -> Result<SnapshotInfo, Status> {
    let id = request.id.clone();
    let snapshot = emulator.snapshots().get(&id).cloned();
    let snapshot = snapshot.ok_or_else(|| status::not_found(&format!("snapshots/{id}")))?;
    emulator.put_back(&snapshot);
    Ok(SnapshotInfo { id, time: Some(snapshot.time().into()) })
}
