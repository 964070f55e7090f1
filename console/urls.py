from __future__ import annotations

from django.urls import path

from console import views

app_name = "console"
urlpatterns = [
    path("events/<int:pk>", views.event, name="event"),
    path("accounts", views.account_list, name="accounts"),
    path("accounts/<account_id>/try-role", views.try_role, name="try_role"),
    path("entities/<int:pk>", views.entity, name="entity"),
    path("events/<int:pk>/triage", views.triage_event, name="triage"),
]
