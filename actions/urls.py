from __future__ import annotations

from django.urls import path

from actions import hand_views, views

app_name = "actions"
urlpatterns = [
    # threatreaction/api.py serves GET /actions: a page for browsers, JSON for programs.
    path("actions/allowlist", views.allowlist, name="allowlist"),
    path("actions/allowlist/<int:pk>/take-back", views.take_back, name="take_back"),
    path("actions/<int:pk>/undo", views.undo_containment, name="undo"),
    path("actions/<int:pk>/allow", views.allow, name="allow"),
    path("actions/<int:pk>/decide", views.decide, name="decide"),
    path("actions/breaker/reset", views.reset_breaker, name="reset_breaker"),
    path("actions/by-hand/events/<int:pk>", hand_views.on_event, name="on_event"),
    path("actions/by-hand/entities/<int:pk>", hand_views.on_entity, name="on_entity"),
    path("actions/by-hand/events", hand_views.on_many, name="on_many"),
]
