from docs import models


def test_the_page_of_the_models_is_up_to_date():
    assert models.PAGE.read_text("utf-8") == models.page(), "run `make docs`"
