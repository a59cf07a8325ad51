"""What people look at: the only home of MLflow.

It is handed plain values and knows neither the search nor the training. Everything that is logged
goes to a journal on disk first and from there to MLflow by a background thread, so that a study
neither waits for a tracking server nor loses anything when there is none.
"""
