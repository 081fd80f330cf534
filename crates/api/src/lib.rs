//! What a host offers its clients: one trait, in process and over the socket.
//!
//! The window, the tray and the gRPC service hold an `Arc<dyn Api>` and cannot tell whether the supervisor is in their
//! own process ([`Local`]) or behind a socket ([`Remote`]). Requests and replies are the messages of
//! [`stratavore_rpc::v1`].

pub mod database;
mod failure;
mod grpc;
mod host;
mod local;
mod remote;

pub use host::{Clients, Host, HostError, HostKind, environment, load_config, logs};
pub use local::Local;
pub use remote::Remote;
pub use stratavore_rpc::{Code, Failure, v1};

use async_trait::async_trait;
use futures::stream::BoxStream;

/// The outcome of a request.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What a host offers. The messages say what each method does; see `stratavore.proto`.
#[async_trait]
#[expect(missing_docs, reason = "named and documented by the .proto")]
pub trait Api: Send + Sync + 'static {
    async fn status(&self) -> Result<v1::Status>;
    async fn doctor(&self) -> Result<v1::DoctorReport>;
    async fn config(&self, request: v1::ConfigRequest) -> Result<v1::Config>;

    async fn add_project(&self, request: v1::AddProjectRequest) -> Result<v1::Project>;
    async fn projects(&self, request: v1::ListProjectsRequest) -> Result<v1::Projects>;
    async fn project(&self, request: v1::ProjectRef) -> Result<v1::Project>;
    async fn archive_project(&self, request: v1::ProjectRef) -> Result<v1::Project>;
    async fn programs(&self) -> Result<v1::Programs>;

    async fn launch(&self, request: v1::LaunchRequest) -> Result<v1::Runner>;
    async fn runners(&self, request: v1::ListRunnersRequest) -> Result<v1::Runners>;
    async fn runner(&self, request: v1::RunnerRef) -> Result<v1::Runner>;
    async fn stop(&self, request: v1::StopRequest) -> Result<v1::Runners>;
    async fn pause(&self, request: v1::RunnerRef) -> Result<v1::Runner>;
    async fn go_on(&self, request: v1::RunnerRef) -> Result<v1::Runner>;
    async fn restart(&self, request: v1::RunnerRef) -> Result<v1::Runner>;
    async fn answer_interrupted(&self, request: v1::InterruptedAnswer) -> Result<v1::Runners>;

    async fn decide(&self, request: v1::DecideRequest) -> Result<()>;

    async fn sessions(&self, request: v1::ListSessionsRequest) -> Result<v1::Sessions>;
    async fn session(&self, request: v1::SessionRef) -> Result<v1::Session>;
    async fn search_sessions(&self, request: v1::SearchSessionsRequest) -> Result<v1::SearchHits>;
    async fn export_session(&self, request: v1::ExportSessionRequest) -> Result<v1::SessionExport>;
    async fn archive_sessions(
        &self,
        request: v1::ArchiveSessionsRequest,
    ) -> Result<v1::ArchiveSessionsReply>;
    async fn restore_session(&self, request: v1::SessionRef) -> Result<v1::RestoreSessionReply>;
    async fn resume(&self, request: v1::ResumeRequest) -> Result<v1::Runner>;
    async fn reindex(&self) -> Result<v1::ReindexReply>;

    async fn usage(&self, request: v1::UsageRequest) -> Result<v1::UsageReport>;
    async fn budgets(&self) -> Result<v1::Budgets>;
    async fn set_budget(&self, request: v1::SetBudgetRequest) -> Result<v1::Budget>;
    async fn remove_budget(&self, request: v1::BudgetRef) -> Result<()>;

    async fn presets(&self, request: v1::ListPresetsRequest) -> Result<v1::Presets>;
    async fn save_preset(&self, request: v1::SavePresetRequest) -> Result<v1::Preset>;
    async fn remove_preset(&self, request: v1::PresetRef) -> Result<()>;

    async fn terminal(&self, request: v1::RunnerRef) -> Result<v1::Terminal>;
    async fn send(&self, request: v1::SendRequest) -> Result<()>;
    async fn screen(&self, request: v1::ScreenRequest) -> Result<v1::Screen>;
    async fn history(&self, request: v1::HistoryRequest) -> Result<v1::History>;

    async fn events(
        &self,
        request: v1::EventsRequest,
    ) -> Result<BoxStream<'static, Result<v1::Event>>>;
    async fn watch(&self) -> Result<BoxStream<'static, Result<v1::Nudge>>>;
    async fn verify_audit(&self) -> Result<v1::AuditReport>;

    async fn nodes(&self) -> Result<v1::Nodes>;
    async fn forget_node(&self, request: v1::NodeRef) -> Result<v1::Runners>;
    async fn prune(&self, request: v1::PruneRequest) -> Result<v1::Pruned>;
    async fn retry_outbox(&self, request: v1::RetryOutboxRequest) -> Result<v1::RetryOutboxReply>;
    async fn drop_outbox(&self, request: v1::DropOutboxRequest) -> Result<()>;

    async fn claim_notifications(
        &self,
        request: v1::ClaimNotificationsRequest,
    ) -> Result<v1::Notifications>;
    async fn notification_shown(&self, request: v1::NotificationShownRequest) -> Result<()>;

    async fn shutdown(&self, request: v1::ShutdownRequest) -> Result<()>;
}
