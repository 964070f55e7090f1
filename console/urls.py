from __future__ import annotations

from django.urls import path

from console import application_views, views

app_name = "console"
urlpatterns = [
    path("events/<int:pk>", views.event, name="event"),
    path("accounts", views.account_list, name="accounts"),
    path("accounts/<account_id>/try-role", views.try_role, name="try_role"),
    path("entities/<int:pk>", views.entity, name="entity"),
    path("application", application_views.page, name="application"),
    path("application/self-test", application_views.self_test_view, name="self_test"),
    path("application/update-check", application_views.update_check, name="update_check"),
    path("application/support-bundle", application_views.support_bundle, name="support_bundle"),
    path("events/<int:pk>/triage", views.triage_event, name="triage"),
]
