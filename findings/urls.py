from __future__ import annotations

from django.urls import path

from findings import views

app_name = "findings"
urlpatterns = [
    path("threats", views.threats, name="threats"),
    path("threats/preview", views.preview_changes, name="preview"),
    path("events", views.event_list, name="events"),
    path("events/newer", views.newer_events, name="newer_events"),
    path("events.csv", views.export_events, {"form": "csv"}, name="export_csv"),
    path("events.jsonl", views.export_events, {"form": "jsonl"}, name="export_jsonl"),
    path("events/triage", views.triage_many, name="triage_many"),
    path("entities", views.entities, name="entities"),
    path("policy.schema.json", views.policy_schema, name="policy_schema"),
    path("changes", views.changes, name="changes"),
    path("changes.csv", views.export_changes, name="export_changes"),
]
