//! The api of a host in another process.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use stratavore_rpc::Client;

use crate::{Api, Failure, Result, v1};

/// Asks a host through its socket.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Client,
}

impl Remote {
    /// Wraps a connected client.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }
}

macro_rules! forward {
    ($self:ident . $method:ident ($request:expr)) => {
        $self
            .client
            .clone()
            .$method($request)
            .await
            .map(tonic::Response::into_inner)
            .map_err(Failure::from)
    };
}

#[async_trait]
impl Api for Remote {
    async fn status(&self) -> Result<v1::Status> {
        forward!(self.get_status(v1::StatusRequest {}))
    }
    async fn doctor(&self) -> Result<v1::DoctorReport> {
        forward!(self.doctor(v1::DoctorRequest {}))
    }
    async fn config(&self, request: v1::ConfigRequest) -> Result<v1::Config> {
        forward!(self.get_config(request))
    }
    async fn add_project(&self, request: v1::AddProjectRequest) -> Result<v1::Project> {
        forward!(self.add_project(request))
    }
    async fn projects(&self, request: v1::ListProjectsRequest) -> Result<v1::Projects> {
        forward!(self.list_projects(request))
    }
    async fn project(&self, request: v1::ProjectRef) -> Result<v1::Project> {
        forward!(self.get_project(request))
    }
    async fn archive_project(&self, request: v1::ProjectRef) -> Result<v1::Project> {
        forward!(self.archive_project(request))
    }
    async fn programs(&self) -> Result<v1::Programs> {
        forward!(self.list_programs(v1::ListProgramsRequest {}))
    }
    async fn launch(&self, request: v1::LaunchRequest) -> Result<v1::Runner> {
        forward!(self.launch(request))
    }
    async fn runners(&self, request: v1::ListRunnersRequest) -> Result<v1::Runners> {
        forward!(self.list_runners(request))
    }
    async fn runner(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        forward!(self.get_runner(request))
    }
    async fn stop(&self, request: v1::StopRequest) -> Result<v1::Runners> {
        forward!(self.stop(request))
    }
    async fn pause(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        forward!(self.pause(request))
    }
    async fn go_on(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        forward!(self.r#continue(request))
    }
    async fn restart(&self, request: v1::RunnerRef) -> Result<v1::Runner> {
        forward!(self.restart(request))
    }
    async fn answer_interrupted(&self, request: v1::InterruptedAnswer) -> Result<v1::Runners> {
        forward!(self.answer_interrupted(request))
    }
    async fn decide(&self, request: v1::DecideRequest) -> Result<()> {
        forward!(self.decide(request)).map(|_| ())
    }
    async fn sessions(&self, request: v1::ListSessionsRequest) -> Result<v1::Sessions> {
        forward!(self.list_sessions(request))
    }
    async fn session(&self, request: v1::SessionRef) -> Result<v1::Session> {
        forward!(self.get_session(request))
    }
    async fn search_sessions(&self, request: v1::SearchSessionsRequest) -> Result<v1::SearchHits> {
        forward!(self.search_sessions(request))
    }
    async fn export_session(&self, request: v1::ExportSessionRequest) -> Result<v1::SessionExport> {
        forward!(self.export_session(request))
    }
    async fn archive_sessions(
        &self,
        request: v1::ArchiveSessionsRequest,
    ) -> Result<v1::ArchiveSessionsReply> {
        forward!(self.archive_sessions(request))
    }
    async fn restore_session(&self, request: v1::SessionRef) -> Result<v1::RestoreSessionReply> {
        forward!(self.restore_session(request))
    }
    async fn resume(&self, request: v1::ResumeRequest) -> Result<v1::Runner> {
        forward!(self.resume(request))
    }
    async fn reindex(&self) -> Result<v1::ReindexReply> {
        forward!(self.reindex(v1::ReindexRequest {}))
    }
    async fn usage(&self, request: v1::UsageRequest) -> Result<v1::UsageReport> {
        forward!(self.get_usage(request))
    }
    async fn budgets(&self) -> Result<v1::Budgets> {
        forward!(self.list_budgets(v1::ListBudgetsRequest {}))
    }
    async fn set_budget(&self, request: v1::SetBudgetRequest) -> Result<v1::Budget> {
        forward!(self.set_budget(request))
    }
    async fn remove_budget(&self, request: v1::BudgetRef) -> Result<()> {
        forward!(self.remove_budget(request)).map(|_| ())
    }
    async fn presets(&self, request: v1::ListPresetsRequest) -> Result<v1::Presets> {
        forward!(self.list_presets(request))
    }
    async fn save_preset(&self, request: v1::SavePresetRequest) -> Result<v1::Preset> {
        forward!(self.save_preset(request))
    }
    async fn remove_preset(&self, request: v1::PresetRef) -> Result<()> {
        forward!(self.remove_preset(request)).map(|_| ())
    }
    async fn terminal(&self, request: v1::RunnerRef) -> Result<v1::Terminal> {
        forward!(self.get_terminal(request))
    }
    async fn send(&self, request: v1::SendRequest) -> Result<()> {
        forward!(self.send(request)).map(|_| ())
    }
    async fn screen(&self, request: v1::ScreenRequest) -> Result<v1::Screen> {
        forward!(self.get_screen(request))
    }
    async fn history(&self, request: v1::HistoryRequest) -> Result<v1::History> {
        forward!(self.get_history(request))
    }
    async fn events(
        &self,
        request: v1::EventsRequest,
    ) -> Result<BoxStream<'static, Result<v1::Event>>> {
        Ok(forward!(self.events(request))?
            .map(|event| event.map_err(Failure::from))
            .boxed())
    }
    async fn watch(&self) -> Result<BoxStream<'static, Result<v1::Nudge>>> {
        Ok(forward!(self.watch(v1::WatchRequest {}))?
            .map(|nudge| nudge.map_err(Failure::from))
            .boxed())
    }
    async fn verify_audit(&self) -> Result<v1::AuditReport> {
        forward!(self.verify_audit(v1::VerifyAuditRequest {}))
    }
    async fn nodes(&self) -> Result<v1::Nodes> {
        forward!(self.list_nodes(v1::ListNodesRequest {}))
    }
    async fn forget_node(&self, request: v1::NodeRef) -> Result<v1::Runners> {
        forward!(self.forget_node(request))
    }
    async fn prune(&self, request: v1::PruneRequest) -> Result<v1::Pruned> {
        forward!(self.prune(request))
    }
    async fn retry_outbox(&self, request: v1::RetryOutboxRequest) -> Result<v1::RetryOutboxReply> {
        forward!(self.retry_outbox(request))
    }
    async fn drop_outbox(&self, request: v1::DropOutboxRequest) -> Result<()> {
        forward!(self.drop_outbox(request)).map(|_| ())
    }
    async fn claim_notifications(
        &self,
        request: v1::ClaimNotificationsRequest,
    ) -> Result<v1::Notifications> {
        forward!(self.claim_notifications(request))
    }
    async fn notification_shown(&self, request: v1::NotificationShownRequest) -> Result<()> {
        forward!(self.notification_shown(request)).map(|_| ())
    }
    async fn shutdown(&self, request: v1::ShutdownRequest) -> Result<()> {
        forward!(self.shutdown(request)).map(|_| ())
    }
}
