"""The data of a training as Lightning takes it."""

from pathlib import Path

import lightning as L
from lightning.pytorch.utilities.types import EVAL_DATALOADERS, TRAIN_DATALOADERS

from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.home import HomeDirectory, home_directory
from automl_tf.training.module import TranslationModule


class TranslationDataModule(L.LightningDataModule):
    """The prepared corpus of a configuration, for a `TranslationModule` under any ``Trainer``.

        data = TranslationDataModule(config)
        module = TranslationModule(config, data.prepared)
        trainer = Trainer(max_steps=..., val_check_interval=..., check_val_every_n_epoch=None)
        trainer.fit(module, data)

    Batches depend on the module: on its device, and on the batches that it has trained on.

    Args:
        config: The configuration.
        cache: Directory of prepared corpora; that of the home directory when not given.
    """

    def __init__(self, config: TrialConfig, cache: Path | None = None) -> None:
        super().__init__()
        self._config = config
        self._cache = cache or HomeDirectory(home_directory()).cache
        self._prepared: PreparedData | None = None

    @property
    def prepared(self) -> PreparedData:
        """The corpus as ids, read and learned from once.

        Raises:
            UserError: If the corpus does not serve.
        """
        if self._prepared is None:
            self._prepared = prepare(self._config, self._cache)
        return self._prepared

    def prepare_data(self) -> None:
        """Fills the cache, in one process of a machine."""
        prepare(self._config, self._cache)

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's
        """Opens what the cache holds."""
        self._prepared = self.prepared

    def train_dataloader(self) -> TRAIN_DATALOADERS:
        """Returns the batches of the training, which goes on without end."""
        return self._module.train_dataloader()

    def val_dataloader(self) -> EVAL_DATALOADERS:
        """Returns the batches of each validation."""
        return self._module.val_dataloader()

    @property
    def _module(self) -> TranslationModule:
        assert self.trainer is not None, "a trainer asks for its batches"
        module = self.trainer.lightning_module
        if not isinstance(module, TranslationModule):
            raise TypeError(f"batches are those of a TranslationModule, not of {type(module)}")
        return module
