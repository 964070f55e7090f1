from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("license", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="license",
            name="jti",
            field=models.CharField(max_length=200, verbose_name="license id"),
        ),
    ]
