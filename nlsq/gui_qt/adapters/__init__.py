"""Between the library and the widgets: tables, models, fits and files as Qt wants them."""
