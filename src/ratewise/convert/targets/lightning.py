"""Lightning: the function and scheduler of PyTorch, and what `configure_optimizers` returns."""

from __future__ import annotations

from ratewise.convert.targets import torch
from ratewise.convert.targets._text import Target, WritingJob, file, header

CONFIGURE = '''\
def optimizer_and_scheduler(optimizer: Optimizer) -> OptimizerLRSchedulerConfig:
    """Return what `configure_optimizers` returns: one step of the scheduler for each update."""
    scheduler = make_scheduler(optimizer)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
'''

USE = """\
Use, in your LightningModule, with the optimizer that you train with:
    def configure_optimizers(self):
        optimizer = …({made})
        return optimizer_and_scheduler(optimizer)"""


def write(job: WritingJob) -> str:
    """Return the file."""
    plain = f"self.parameters(), lr={job.plan.peak.get('lr', '…')}"
    use = USE.format(made="…" if job.plan.groups else plain).splitlines()
    top = header("Learning rates for Lightning, one for each update.", job, use)
    imports = "from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig"
    return file(top, *torch.body(job, imports), CONFIGURE)


TARGET = Target("lightning", "Lightning code", write)
