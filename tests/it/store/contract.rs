//! The store's contract: one suite of sentences that every adapter keeps.
//!
//! An adapter joins with a `StoreFixture` of its own and a few lines: `contract!(name, fixture)`,
//! `clock_contract!(name, fixture)` where its clock can be turned, and `shared_contract!(name,
//! fixture)` where replicas share it. Each sentence gets a store of its own, opened as the gateway
//! opens it.

mod append;
mod choke;
mod claims;
mod cursors;
mod dead_letters;
mod epochs;
mod erasures;
mod expansions;
mod fast;
mod follow;
mod idempotency;
mod leases;
mod listening;
#[cfg(feature = "services")]
mod mongodb;
mod parking;
#[cfg(feature = "services")]
mod postgres;
mod purges;
mod read;
mod releases;
mod removal;
mod replays;
mod scan;
#[cfg(feature = "services")]
mod shared;
mod sqlite;
mod subscriptions;
mod tenants;
mod trail;
mod transitions;
mod versions;

/// Makes a test of each sentence for one fixture.
macro_rules! sentences {
    ($module:ident, $fixture:ty, $($room:ident: $($sentence:ident)*;)*) => {
        mod $module {
            $(mod $room { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $sentence() {
                    crate::store::contract::$room::$sentence::<$fixture>().await;
                }
            )* })*
        }
    };
}

/// The promises of every store.
macro_rules! contract {
    ($module:ident, $fixture:ty) => {
        sentences! { $module, $fixture,
            append:
                positions_are_dense_and_in_the_order_given
                batches_of_several_tenants_share_a_call
                a_batch_of_nothing_gets_no_receipts
                a_call_of_nothing_has_no_outcomes
                a_tenant_that_is_not_enabled_gets_nothing_and_spoils_nothing
                a_receipt_tells_the_event_s_own_place_and_time
                a_long_batch_is_appended_whole
                an_append_survives_reopening
                payloads_and_headers_come_back_byte_for_byte
                an_event_is_found_by_its_id_in_its_own_tenant_only
                a_store_that_works_passes_its_check
                a_store_tells_how_much_it_has_on_disk;
            idempotency:
                the_same_content_gets_its_first_receipt_again
                a_repeated_event_keeps_its_first_headers
                twins_in_a_batch_share_one_place
                twins_across_batches_of_a_call_share_one_place
                a_half_repeated_batch_leaves_no_holes
                an_event_is_known_however_long_nobody_else_appended
                any_other_content_is_a_conflict
                what_settings_derive_is_no_other_content
                a_conflict_drops_its_own_batch_alone
                a_dropped_batch_leaves_no_trace
                twins_of_other_content_in_a_batch_conflict_and_stand_nowhere
                tenants_share_no_event_ids
                receipts_survive_reopening
                of_many_who_post_one_event_at_once_all_get_one_receipt;
            epochs:
                what_follows_a_delete_all_carries_its_position
                an_epoch_holds_within_a_batch_and_across_batches
                topics_and_tenants_have_epochs_of_their_own
                an_epoch_survives_reopening
                an_epoch_is_found_however_long_its_topic_was_silent
                a_dropped_delete_all_begins_no_epoch;
            read:
                a_log_is_read_page_by_page
                every_filter_gives_what_a_look_at_every_event_gives
                every_limit_gives_the_same_events_in_the_end
                from_is_inclusive_and_to_is_exclusive
                rows_that_do_not_fit_are_passed_over_within_the_limit
                the_first_event_is_given_whatever_its_size
                a_full_read_ends_without_slices_for_the_rest
                a_tenant_s_own_limit_leaves_room_for_the_others
                a_tenant_that_the_store_does_not_know_has_no_slice
                at_the_head_there_is_nothing_more
                a_read_from_a_cursor_reads_on_only_in_the_log_that_has_its_event;
            scan:
                a_scan_by_topics_gives_what_a_look_at_every_event_gives
                a_scan_of_a_topic_looks_at_no_other_rows
                a_follower_of_a_silent_topic_goes_on_to_the_head;
            follow:
                a_reader_never_misses_a_commit
                a_change_is_never_missed
                only_what_changed_in_the_lane_is_named;
            cursors:
                a_checkpoint_stands_whatever_stood_there
                nobody_writes_a_checkpoint_whose_lane_was_taken
                a_checkpoint_is_not_written_if_the_log_lacks_its_event
                a_lane_s_cursors_are_those_of_its_tenants_and_follower
                each_follower_has_a_lag_of_its_own
                cursors_survive_reopening;
            replays:
                a_replay_reads_back_and_is_listed_newest_first
                the_last_replay_of_each_target_stays
                no_number_of_a_replay_is_given_twice
                progress_is_written_to_no_other_replay_of_the_number
                a_number_is_taken_once
                a_wish_is_noted_until_the_replay_is_cancelled_or_ends
                no_earlier_holder_of_the_lane_writes_a_replay_that_was_claimed
                open_replays_go_along_with_a_log_whose_id_is_rotated
                topics_are_listed_and_their_events_counted_by_key_and_position;
            tenants:
                a_tenant_is_enabled_once_if_it_is_new
                tenants_are_assigned_over_the_lanes
                tenants_are_counted_and_listed_in_order_with_their_heads
                the_number_of_lanes_is_fixed_at_first
                no_tenant_comes_before_the_lanes
                a_log_with_a_rotated_id_has_its_events_and_goes_on
                a_disabled_tenant_takes_nothing_and_keeps_its_log
                a_new_tenant_is_enabled_and_an_unknown_one_can_t_be_disabled
                a_tenant_gets_a_log_only_beside_those_that_it_was_compared_with
                the_gateway_itself_appends_to_disabled_tenants
                a_job_is_found_until_it_is_removed;
            purges:
                a_purge_that_would_lose_events_does_not_begin
                a_sink_that_the_store_knows_must_have_all_events_before_a_purge
                a_purge_waits_until_every_delete_all_is_expanded
                a_purge_ends_once_every_sink_that_has_passed_it_has_nothing_left
                a_tenant_has_no_log_once_its_purge_begins
                a_sink_passes_a_purge_under_its_lease
                a_purge_leaves_its_number_and_its_job
                a_tenant_that_comes_back_has_a_new_log_above_the_old_one;
            trail:
                each_act_has_its_row_and_what_is_refused_has_none
                the_gateway_s_own_acts_and_those_before_a_longer_one_have_rows
                the_trail_is_read_page_by_page_and_by_what_is_asked
                old_rows_are_removed_in_steps_oldest_first;
            parking:
                only_old_resolved_scopes_are_dropped_and_never_a_log_s_last
                what_is_parked_is_kept_as_it_was_written
                the_relay_s_cursor_and_what_is_parked_are_of_one_state
                a_lane_s_ledgers_tell_the_last_transition_of_each_log
                what_was_requested_stays_requested_until_it_is_begun
                a_lane_s_parked_are_those_that_are_not_over
                the_counts_account_for_every_event;
            removal:
                removed_events_are_gone_and_their_floor_rises_with_them
                a_floor_never_falls_and_compaction_raises_none
                an_event_id_outlives_its_event_until_it_is_forgotten
                the_lag_of_who_stands_before_a_hole_is_that_of_the_next_event
                nothing_is_removed_from_a_log_whose_id_was_rotated
                nothing_is_removed_once_a_sink_went_back
                nothing_is_removed_once_another_event_stands_there
                a_range_of_a_topic_is_listed_by_position_and_by_key
                a_follower_that_is_forgotten_has_no_checkpoint_and_no_parked_scope
                a_rotated_log_keeps_what_the_relay_has_parked_and_no_other_sink
                appends_and_removals_go_on_beside_each_other;
            expansions:
                a_step_appends_its_deletes_but_not_of_what_was_touched
                a_step_that_is_repeated_or_late_changes_nothing
                no_key_is_deleted_after_it_was_touched;
            erasures:
                the_events_of_a_record_are_emptied_and_an_erased_event_follows
                a_step_that_is_repeated_changes_nothing_and_later_events_stay
                a_topic_that_was_noted_once_stays_known
                noted_topics_are_read_page_by_page
                topics_are_known_by_what_kafka_takes_for_the_same_name
                nothing_before_the_erased_event_has_content_whoever_appends;
            transitions:
                each_transition_changes_what_its_name_says
                transitions_are_written_upon_the_one_before_them_or_not_at_all
                nobody_writes_a_transition_whose_lane_was_taken
                followers_share_no_scopes_numbers_and_requests;
            subscriptions:
                a_subscription_is_kept_as_it_was_written
                a_subscription_is_changed_only_upon_what_was_found
                many_subscriptions_are_changed_each_by_itself
                whoever_had_a_group_that_was_removed_is_fenced_from_one_that_is_made_anew
                a_group_s_lag_is_what_it_has_not_committed
                a_lease_goes_by_the_store_s_clock
                a_restored_log_takes_its_groups_along;
            dead_letters:
                dead_letters_are_kept_as_they_were_written
                dead_letters_are_written_upon_what_was_found_and_go_with_their_group
                dead_letters_are_counted_by_their_group
                a_restored_log_has_no_dead_letter_beyond_its_events
                only_the_present_generation_writes_dead_letters
                dead_letters_are_redriven_in_order_and_discarded_as_they_are_named;
            claims:
                an_event_is_claimed_once_for_each_action_replay_and_tenant
                of_many_who_claim_an_event_one_gets_it
                a_claim_that_is_given_back_is_claimed_again
                a_claim_that_is_over_is_claimed_again_and_dropped
                nothing_is_claimed_of_a_tenant_that_has_no_log
                a_restored_log_keeps_its_claims;
            listening:
                partitions_stay_as_they_were_fixed_first
                a_group_of_kafka_clients_is_changed_only_upon_what_was_found
                who_coordinates_a_group_of_kafka_clients_is_found_by_its_scope_and_name
                groups_of_kafka_clients_are_listed_and_counted_by_their_scope;
            leases:
                a_held_lane_is_acquired_by_nobody_else
                a_lease_that_ran_out_is_acquired
                a_renewed_lease_holds_longer
                a_lease_that_ran_out_is_renewed_unless_it_was_acquired_by_another
                a_released_lane_is_free_at_once
                a_seized_lane_is_lost_by_whoever_held_it
                a_lane_is_acquired_under_a_higher_term_than_any_checkpoint_has
                whoever_holds_a_lane_may_acquire_it_again
                terms_rise_with_every_acquisition
                of_many_who_acquire_a_lane_one_gets_it
                the_members_tell_who_is_there_and_who_holds_what
                lanes_are_not_resized_while_a_tenant_is_purged
                replicas_that_serve_are_counted_and_share_no_lanes
                lanes_are_resized_by_who_holds_them_all_or_not_at_all
                who_is_moved_to_another_lane_is_found_there;
        }
    };
}

/// The promises of intake with a store that can't take everything.
macro_rules! choke_contract {
    ($module:ident, $fixture:ty) => {
        sentences! { $module, $fixture,
            choke: what_the_store_can_t_take_fails_alone;
            trail:
                an_act_whose_row_can_t_be_written_is_not_done
                an_act_of_another_version_hides_no_row;
        }
    };
}

/// A store's promises about leases that were given by a fast clock, which has stepped back since.
macro_rules! fast_contract {
    ($module:ident, $fixture:ty) => {
        sentences! { $module, $fixture,
            fast:
                what_a_fast_clock_gave_has_run_out
                who_renews_what_a_fast_clock_gave_holds_it
                a_clock_that_is_a_little_fast_harms_nobody;
        }
    };
}

/// A store's promises about the versions of its tables.
macro_rules! versions_contract {
    ($module:ident, $fixture:ty) => {
        sentences! { $module, $fixture,
            versions:
                the_recorded_versions_are_counted_and_their_releases_rise
                a_version_that_only_adds_stops_nobody_who_runs_starts_or_attaches
                a_version_that_breaks_is_refused_with_both_versions_and_left_alone;
            releases:
                a_store_that_a_release_made_is_opened_and_goes_on;
        }
    };
}

/// The promises of a store whose clock can be turned.
macro_rules! clock_contract {
    ($module:ident, $fixture:ty) => {
        sentences! { $module, $fixture,
            append: time_never_goes_back_within_a_tenant;
        }
    };
}

/// The promises of a store that several replicas share.
#[cfg(feature = "services")]
macro_rules! shared_contract {
    ($module:ident, $fixture:ty) => {
        sentences! { $module, $fixture,
            shared:
                what_a_replica_appends_stands_after_what_others_did
                what_a_replica_appended_is_known_to_the_others
                a_log_id_that_a_replica_rotated_is_rotated_for_the_others
                time_goes_on_for_a_replica_that_is_alone
                what_a_replica_appends_is_told_to_the_others
                a_listener_is_announced_for_a_while_under_a_number_of_its_own;
        }
    };
}

contract!(on_sqlite, crate::store::contract::sqlite::Folder);
contract!(
    on_migrated_sqlite,
    crate::support::store_fixture::Migrated<crate::store::contract::sqlite::Folder>
);
choke_contract!(on_choking_sqlite, crate::store::contract::sqlite::Folder);
fast_contract!(on_sqlite_with_a_fast_clock, crate::store::contract::sqlite::Folder);
clock_contract!(on_sqlite_s_clock, crate::store::contract::sqlite::Folder);
versions_contract!(on_versions_of_sqlite, crate::store::contract::sqlite::Folder);

#[cfg(feature = "services")]
contract!(on_postgres, crate::store::contract::postgres::Schema);

#[cfg(feature = "services")]
contract!(
    on_migrated_postgres,
    crate::support::store_fixture::Migrated<crate::store::contract::postgres::Schema>
);

#[cfg(feature = "services")]
choke_contract!(on_choking_postgres, crate::store::contract::postgres::Schema);

#[cfg(feature = "services")]
fast_contract!(on_postgres_with_a_fast_clock, crate::store::contract::postgres::Schema);

#[cfg(feature = "services")]
shared_contract!(on_postgres_shared, crate::store::contract::postgres::Schema);

#[cfg(feature = "services")]
versions_contract!(on_versions_of_postgres, crate::store::contract::postgres::Schema);

#[cfg(feature = "services")]
contract!(on_mongodb, crate::store::contract::mongodb::OwnDatabase);

#[cfg(feature = "services")]
choke_contract!(on_choking_mongodb, crate::store::contract::mongodb::OwnDatabase);

#[cfg(feature = "services")]
fast_contract!(on_mongodb_with_a_fast_clock, crate::store::contract::mongodb::OwnDatabase);

#[cfg(feature = "services")]
shared_contract!(on_mongodb_shared, crate::store::contract::mongodb::OwnDatabase);

#[cfg(feature = "services")]
versions_contract!(on_versions_of_mongodb, crate::store::contract::mongodb::OwnDatabase);
