//! What every [`Store`] must do, whatever the database: one suite that each implementation passes.
//!
//! A case is a function that is given a fresh, empty store; its name says what must hold. An implementation runs them all,
//! each as a test of its own, with [`conformance!`](crate::conformance!).
#![allow(missing_docs, reason = "a case's name is its sentence")]

use std::sync::Arc;

use crate::Store;

pub mod audit;
pub mod budgets;
pub mod changes;
pub mod closing;
pub mod events;
pub mod interruptions;
pub mod launches;
mod model;
pub mod nodes;
pub mod notices;
pub mod observations;
pub mod outbox;
pub mod presets;
pub mod projects;
mod reading;
pub mod sessions;
pub mod usage;
mod world;

/// A fresh, empty store and what it stands on; both are gone when this is dropped.
pub trait Ground {
    /// Returns the store.
    fn store(&self) -> Arc<dyn Store>;
}

/// Runs the whole suite: `conformance!(fresh)`, where `fresh` is an async function that returns a
/// [`Ground`](crate::conformance::Ground).
#[macro_export]
macro_rules! conformance {
    ($fresh:path) => {
        $crate::conformance_cases! { $fresh =>
            projects {
                what_was_added_is_read_back
                a_name_belongs_to_one_project_that_is_not_archived
                the_list_is_by_name_and_leaves_out_archived_ones
                an_unknown_project_is_an_error_that_names_it
                archiving_again_changes_nothing
                archiving_waits_for_every_runner_to_end
            }
            launches {
                a_launch_is_kept_whole_and_asks_for_its_spawn
                a_repeated_request_returns_the_first_runner
                one_request_sent_many_times_at_once_is_one_runner
                a_name_belongs_to_one_runner_that_has_not_ended
                a_runner_without_a_name_gets_the_least_free_number
                a_project_with_the_longest_name_still_names_its_runners
                nothing_is_launched_in_an_archived_or_unknown_project
                a_full_quota_refuses_and_names_the_holders
                the_projects_own_limit_goes_before_the_default
                the_nodes_limit_covers_all_projects
                every_state_that_holds_a_place_counts
                a_hundred_launches_at_once_start_exactly_as_many_as_the_quota
                a_queued_launch_waits_for_its_place
                places_go_to_the_longest_waiting_and_a_full_project_holds_back_no_other
                the_node_is_never_overfilled_by_admission
                a_restart_is_held_to_the_quota
                a_restart_needs_its_name_and_its_project
            }
            changes {
                a_change_is_kept_with_its_event
                an_input_that_changes_nothing_appends_nothing
                a_refused_input_changes_nothing
                an_unknown_runner_is_an_error_that_names_it
                a_fact_that_is_told_again_is_there_once
                twenty_stops_at_once_are_one_stop
                a_note_is_appended_and_changes_no_state
                runners_are_listed_newest_first_and_filtered
                a_runner_is_found_by_the_beginning_of_its_name_or_id
                runners_are_counted_by_state
                random_commands_agree_with_the_model
            }
            observations {
                the_latest_is_shown
                an_earlier_one_changes_nothing
                another_attempt_changes_nothing
                an_ended_runner_is_not_revived
                a_new_attempt_hides_the_observation_of_the_last
                many_are_kept_at_once_and_unknown_runners_are_no_matter
            }
            events {
                every_fact_is_read_back_as_it_was_written
                seq_is_dense_under_concurrent_writers
                a_listing_resumes_from_its_cursor
                following_skips_nothing_under_concurrent_writers
                a_commit_wakes_whoever_waits
            }
            outbox {
                waiting_rows_come_in_commit_order_until_delivered
                marking_again_or_what_is_unknown_changes_nothing
                a_failure_is_counted_and_the_last_makes_a_dead_letter
                a_dead_letter_parks_its_own_aggregate_alone
                a_dead_letter_that_is_delivered_after_all_releases_its_aggregate
                a_retried_dead_letter_is_tried_anew
                a_dropped_dead_letter_is_given_up_and_releases_its_aggregate
                only_rows_of_the_shards_asked_for_are_listed_and_marked
                what_another_owner_holds_by_now_is_not_marked
                delivering_keeps_the_order_of_each_aggregate_under_concurrent_writers
            }
            notices {
                an_abnormal_end_is_told_and_what_was_asked_for_is_not
                each_edge_is_told_once_per_attempt
                a_refused_launch_is_told_each_time
                a_notice_is_claimed_once_for_each_consumer
                claims_at_once_share_nothing
                each_person_is_told_of_what_they_launched_and_nobody_else
                a_claim_that_was_not_shown_is_claimed_again_after_a_minute
                what_a_runner_needs_is_told_each_time
            }
            nodes {
                a_registered_node_is_listed_with_what_is_active_on_it
                a_node_id_belongs_to_one_host_while_that_is_heard_from
                a_host_that_left_is_silent_and_its_id_free
                a_host_that_is_not_heard_from_is_silent_and_may_be_replaced
                an_unknown_node_is_an_error_that_names_it
                a_runner_keeps_its_node_and_its_person
                a_nodes_limit_counts_its_own_runners_alone
                only_queued_runners_of_this_node_are_admitted
                an_interruption_is_offered_by_the_runners_own_node
                forgetting_a_node_ends_its_runners_and_no_other
            }
            interruptions {
                the_offer_is_made_once
                a_runner_that_was_started_since_is_not_offered
                a_runner_that_is_interrupted_again_is_offered_again
            }
            audit {
                an_untouched_log_is_sound
                checkpoints_of_an_untouched_log_are_sound
                the_log_is_sound_while_it_grows
                a_pruned_log_is_sound_and_goes_on
            }
            sessions {
                what_was_read_is_kept_whole
                a_digest_begins_where_the_last_one_ended
                another_file_in_its_place_replaces_what_was_said
                what_is_absent_of_a_session_stays_as_it_was
                sessions_are_listed_latest_first_and_filtered
                an_unknown_session_is_an_error_that_names_it
                every_word_is_found_by_its_beginning_and_quotes_one_after_another
                a_search_has_its_project_its_limit_and_the_best_first
                any_text_may_be_searched_for
                text_of_any_kind_is_kept_without_what_no_database_keeps
                a_gone_transcript_leaves_what_was_said_to_be_found
                a_forgotten_index_is_read_again_and_no_usage_is_lost
            }
            usage {
                a_message_counts_once_whichever_file_has_it
                usage_is_summed_in_groups
                quarters_of_an_hour_hold_all_that_was_used
                usage_goes_where_its_session_does
                what_has_no_price_is_told_apart
                sums_beyond_64_bits_are_the_greatest_number
                a_hundred_thousand_messages_sum_right
                new_prices_change_what_differs_and_tell_how_many
            }
            budgets {
                a_budget_is_set_replaced_and_removed
                what_was_spent_is_summed_for_each_scope_and_period
                a_share_is_told_of_once_a_period
                a_share_that_is_reached_anew_is_told_of_anew
                a_spent_budget_refuses_launches_and_says_so
                a_spent_session_is_not_gone_on_with
                something_is_set_aside_for_every_active_runner
                a_budget_that_only_warns_refuses_nothing
                a_restart_is_held_to_the_budgets
                queued_runners_wait_while_a_budget_is_spent
                launches_at_once_never_take_more_than_is_left
            }
            presets {
                a_preset_is_kept_under_its_name_for_one_person
                an_unknown_preset_is_an_error_that_names_it
            }
            closing {
                what_was_asked_before_is_written_and_later_calls_fail
                closing_again_is_no_matter
            }
        }
    };
}

/// Makes a test of each case; [`conformance!`](crate::conformance!) lists them.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($fresh:path => $($module:ident { $($case:ident)* })*) => {
        $(mod $module {
            #[allow(unused_imports, reason = "a path may be relative to where the suite is run")]
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                use $crate::conformance::Ground as _;
                let ground = $fresh().await;
                $crate::conformance::$module::$case(ground.store()).await;
                ground.store().close().await;
            })*
        })*
    };
}

#[cfg(test)]
mod tests {
    /// A case that nobody lists would never run.
    #[test]
    fn every_case_is_listed() {
        let list = include_str!("mod.rs");
        let modules = [
            include_str!("audit.rs"),
            include_str!("budgets.rs"),
            include_str!("changes.rs"),
            include_str!("closing.rs"),
            include_str!("events.rs"),
            include_str!("interruptions.rs"),
            include_str!("launches.rs"),
            include_str!("nodes.rs"),
            include_str!("notices.rs"),
            include_str!("observations.rs"),
            include_str!("outbox.rs"),
            include_str!("presets.rs"),
            include_str!("projects.rs"),
            include_str!("sessions.rs"),
            include_str!("usage.rs"),
        ];
        for case in modules
            .into_iter()
            .flat_map(|text| text.split("\npub async fn ").skip(1))
        {
            let name = case.split('(').next().unwrap_or_default();
            assert!(
                list.contains(&format!("                {name}\n")),
                "{name} is not listed"
            );
        }
    }
}
