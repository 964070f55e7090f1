from __future__ import annotations

from django.urls import path

from findings import views

app_name = "findings"
urlpatterns = [
    path("threats", views.threats, name="threats"),
    path("changes", views.changes, name="changes"),
]
