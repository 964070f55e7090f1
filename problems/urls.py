"""URL patterns of the problem pages."""

from __future__ import annotations

from django.urls import path

from problems import views

app_name = "problems"
urlpatterns = [path("problems/<slug:slug>", views.page, name="page")]
