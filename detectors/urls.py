from __future__ import annotations

from django.urls import path

from detectors import views

app_name = "detectors"
urlpatterns = [
    path("buckets/register", views.register, name="register"),
    path("buckets/of/<name>", views.bucket_page, name="bucket"),
    path("buckets/of/<name>/change", views.change, name="change"),
    path("buckets/of/<name>/remove", views.remove, name="remove"),
]
