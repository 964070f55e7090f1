from __future__ import annotations

from django.urls import path

from notifications import views

app_name = "notifications"
urlpatterns = [
    path("notifications/rules/add", views.add_rule, name="add_rule"),
    path("notifications/rules/<int:pk>", views.rule_page, name="rule"),
    path("notifications/rules/<int:pk>/remove", views.remove_rule, name="remove_rule"),
    path("notifications/destinations/add/<kind>", views.add_destination, name="add_destination"),
    path("notifications/destinations/<int:pk>", views.destination_page, name="destination"),
    path(
        "notifications/destinations/<int:pk>/change",
        views.change_destination,
        name="change_destination",
    ),
    path("notifications/destinations/<int:pk>/test", views.send_test, name="test"),
    path("notifications/destinations/<int:pk>/rotate", views.rotate, name="rotate"),
    path(
        "notifications/destinations/<int:pk>/forget-previous",
        views.forget_previous,
        name="forget_previous",
    ),
    path(
        "notifications/destinations/<int:pk>/remove",
        views.remove_destination,
        name="remove_destination",
    ),
]
