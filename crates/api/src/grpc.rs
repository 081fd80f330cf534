//! The api as a gRPC service: each method passes its message on.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status};

use crate::host::Peer;
use crate::{Api, Code, Failure, v1};

/// Serves an api.
pub(crate) struct Service(pub(crate) Arc<dyn Api>);

/// Calls the api in a task of its own: a client that leaves meanwhile cuts nothing short that has begun.
macro_rules! serve {
    ($api:ident . $method:ident ($($request:expr)?)) => {{
        let api = Arc::clone(&$api.0);
        let call = async move { api.$method($($request.into_inner())?).await };
        match tokio::spawn(call).await {
            Ok(answer) => answer.map(Response::new).map_err(Status::from),
            Err(error) => Err(Status::internal(format!("the call ended early: {error}"))),
        }
    }};
}

#[tonic::async_trait]
impl v1::stratavore_server::Stratavore for Service {
    async fn get_status(
        &self,
        _: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::Status>, Status> {
        serve!(self.status())
    }
    async fn doctor(
        &self,
        _: Request<v1::DoctorRequest>,
    ) -> Result<Response<v1::DoctorReport>, Status> {
        serve!(self.doctor())
    }
    async fn get_config(
        &self,
        request: Request<v1::ConfigRequest>,
    ) -> Result<Response<v1::Config>, Status> {
        serve!(self.config(request))
    }
    async fn add_project(
        &self,
        request: Request<v1::AddProjectRequest>,
    ) -> Result<Response<v1::Project>, Status> {
        serve!(self.add_project(request))
    }
    async fn list_projects(
        &self,
        request: Request<v1::ListProjectsRequest>,
    ) -> Result<Response<v1::Projects>, Status> {
        serve!(self.projects(request))
    }
    async fn get_project(
        &self,
        request: Request<v1::ProjectRef>,
    ) -> Result<Response<v1::Project>, Status> {
        serve!(self.project(request))
    }
    async fn archive_project(
        &self,
        request: Request<v1::ProjectRef>,
    ) -> Result<Response<v1::Project>, Status> {
        serve!(self.archive_project(request))
    }
    async fn list_programs(
        &self,
        _: Request<v1::ListProgramsRequest>,
    ) -> Result<Response<v1::Programs>, Status> {
        serve!(self.programs())
    }
    async fn launch(
        &self,
        request: Request<v1::LaunchRequest>,
    ) -> Result<Response<v1::Runner>, Status> {
        serve!(self.launch(request))
    }
    async fn list_runners(
        &self,
        request: Request<v1::ListRunnersRequest>,
    ) -> Result<Response<v1::Runners>, Status> {
        serve!(self.runners(request))
    }
    async fn get_runner(
        &self,
        request: Request<v1::RunnerRef>,
    ) -> Result<Response<v1::Runner>, Status> {
        serve!(self.runner(request))
    }
    async fn stop(
        &self,
        request: Request<v1::StopRequest>,
    ) -> Result<Response<v1::Runners>, Status> {
        serve!(self.stop(request))
    }
    async fn pause(&self, request: Request<v1::RunnerRef>) -> Result<Response<v1::Runner>, Status> {
        serve!(self.pause(request))
    }
    async fn r#continue(
        &self,
        request: Request<v1::RunnerRef>,
    ) -> Result<Response<v1::Runner>, Status> {
        serve!(self.go_on(request))
    }
    async fn restart(
        &self,
        request: Request<v1::RunnerRef>,
    ) -> Result<Response<v1::Runner>, Status> {
        serve!(self.restart(request))
    }
    async fn answer_interrupted(
        &self,
        request: Request<v1::InterruptedAnswer>,
    ) -> Result<Response<v1::Runners>, Status> {
        serve!(self.answer_interrupted(request))
    }
    async fn decide(
        &self,
        request: Request<v1::DecideRequest>,
    ) -> Result<Response<v1::DecideReply>, Status> {
        let peer = request.extensions().get::<Peer>().copied();
        if let Some(runner) = peer.unwrap_or_default().runner() {
            return Err(Failure::new(
                Code::Conflict,
                format!("a permission cannot be given from within a runner, and this is {runner}"),
            )
            .hint("answer in the window, the tray, a notification, or a terminal of your own")
            .into());
        }
        serve!(self.decide(request)).map(|_| Response::new(v1::DecideReply {}))
    }
    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::Sessions>, Status> {
        serve!(self.sessions(request))
    }
    async fn get_session(
        &self,
        request: Request<v1::SessionRef>,
    ) -> Result<Response<v1::Session>, Status> {
        serve!(self.session(request))
    }
    async fn search_sessions(
        &self,
        request: Request<v1::SearchSessionsRequest>,
    ) -> Result<Response<v1::SearchHits>, Status> {
        serve!(self.search_sessions(request))
    }
    async fn export_session(
        &self,
        request: Request<v1::ExportSessionRequest>,
    ) -> Result<Response<v1::SessionExport>, Status> {
        serve!(self.export_session(request))
    }
    async fn archive_sessions(
        &self,
        request: Request<v1::ArchiveSessionsRequest>,
    ) -> Result<Response<v1::ArchiveSessionsReply>, Status> {
        serve!(self.archive_sessions(request))
    }
    async fn restore_session(
        &self,
        request: Request<v1::SessionRef>,
    ) -> Result<Response<v1::RestoreSessionReply>, Status> {
        serve!(self.restore_session(request))
    }
    async fn resume(
        &self,
        request: Request<v1::ResumeRequest>,
    ) -> Result<Response<v1::Runner>, Status> {
        serve!(self.resume(request))
    }
    async fn reindex(
        &self,
        _: Request<v1::ReindexRequest>,
    ) -> Result<Response<v1::ReindexReply>, Status> {
        serve!(self.reindex())
    }
    async fn get_usage(
        &self,
        request: Request<v1::UsageRequest>,
    ) -> Result<Response<v1::UsageReport>, Status> {
        serve!(self.usage(request))
    }
    async fn list_budgets(
        &self,
        _: Request<v1::ListBudgetsRequest>,
    ) -> Result<Response<v1::Budgets>, Status> {
        serve!(self.budgets())
    }
    async fn set_budget(
        &self,
        request: Request<v1::SetBudgetRequest>,
    ) -> Result<Response<v1::Budget>, Status> {
        serve!(self.set_budget(request))
    }
    async fn remove_budget(
        &self,
        request: Request<v1::BudgetRef>,
    ) -> Result<Response<v1::RemoveBudgetReply>, Status> {
        serve!(self.remove_budget(request)).map(|_| Response::new(v1::RemoveBudgetReply {}))
    }
    async fn list_presets(
        &self,
        request: Request<v1::ListPresetsRequest>,
    ) -> Result<Response<v1::Presets>, Status> {
        serve!(self.presets(request))
    }
    async fn save_preset(
        &self,
        request: Request<v1::SavePresetRequest>,
    ) -> Result<Response<v1::Preset>, Status> {
        serve!(self.save_preset(request))
    }
    async fn remove_preset(
        &self,
        request: Request<v1::PresetRef>,
    ) -> Result<Response<v1::RemovePresetReply>, Status> {
        serve!(self.remove_preset(request)).map(|_| Response::new(v1::RemovePresetReply {}))
    }
    async fn get_terminal(
        &self,
        request: Request<v1::RunnerRef>,
    ) -> Result<Response<v1::Terminal>, Status> {
        serve!(self.terminal(request))
    }
    async fn send(
        &self,
        request: Request<v1::SendRequest>,
    ) -> Result<Response<v1::SendReply>, Status> {
        serve!(self.send(request)).map(|_| Response::new(v1::SendReply {}))
    }
    async fn get_screen(
        &self,
        request: Request<v1::ScreenRequest>,
    ) -> Result<Response<v1::Screen>, Status> {
        serve!(self.screen(request))
    }
    async fn get_history(
        &self,
        request: Request<v1::HistoryRequest>,
    ) -> Result<Response<v1::History>, Status> {
        serve!(self.history(request))
    }

    type EventsStream = BoxStream<'static, Result<v1::Event, Status>>;
    async fn events(
        &self,
        request: Request<v1::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let events = self.0.events(request.into_inner()).await?;
        Ok(Response::new(
            events.map(|event| event.map_err(Status::from)).boxed(),
        ))
    }
    type WatchStream = BoxStream<'static, Result<v1::Nudge, Status>>;
    async fn watch(
        &self,
        _: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let nudges = self.0.watch().await?;
        Ok(Response::new(
            nudges.map(|nudge| nudge.map_err(Status::from)).boxed(),
        ))
    }

    async fn verify_audit(
        &self,
        _: Request<v1::VerifyAuditRequest>,
    ) -> Result<Response<v1::AuditReport>, Status> {
        serve!(self.verify_audit())
    }
    async fn list_nodes(
        &self,
        _: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::Nodes>, Status> {
        serve!(self.nodes())
    }
    async fn forget_node(
        &self,
        request: Request<v1::NodeRef>,
    ) -> Result<Response<v1::Runners>, Status> {
        serve!(self.forget_node(request))
    }
    async fn prune(
        &self,
        request: Request<v1::PruneRequest>,
    ) -> Result<Response<v1::Pruned>, Status> {
        serve!(self.prune(request))
    }
    async fn retry_outbox(
        &self,
        request: Request<v1::RetryOutboxRequest>,
    ) -> Result<Response<v1::RetryOutboxReply>, Status> {
        serve!(self.retry_outbox(request))
    }
    async fn drop_outbox(
        &self,
        request: Request<v1::DropOutboxRequest>,
    ) -> Result<Response<v1::DropOutboxReply>, Status> {
        serve!(self.drop_outbox(request)).map(|_| Response::new(v1::DropOutboxReply {}))
    }
    async fn claim_notifications(
        &self,
        request: Request<v1::ClaimNotificationsRequest>,
    ) -> Result<Response<v1::Notifications>, Status> {
        serve!(self.claim_notifications(request))
    }
    async fn notification_shown(
        &self,
        request: Request<v1::NotificationShownRequest>,
    ) -> Result<Response<v1::NotificationShownReply>, Status> {
        serve!(self.notification_shown(request))
            .map(|_| Response::new(v1::NotificationShownReply {}))
    }
    async fn shutdown(
        &self,
        request: Request<v1::ShutdownRequest>,
    ) -> Result<Response<v1::ShutdownReply>, Status> {
        serve!(self.shutdown(request)).map(|_| Response::new(v1::ShutdownReply {}))
    }
}
