"""The vector-quantized variational autoencoder: grids of discrete codes, and an autoregressive prior over them.

References:
    Neural Discrete Representation Learning, van den Oord, Vinyals & Kavukcuoglu, 2017 (arXiv 1711.00937).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from counterfeit.core import Clock, Draw, Model, Spec, Update, check_codes, check_request
from counterfeit.likelihoods import LikelihoodName
from counterfeit.likelihoods import likelihood as choose
from counterfeit.models.autoencoding.shared.code_transformer import CodeChain, CodeTransformer, TransformerSettings
from counterfeit.models.autoencoding.shared.codebook import Codebook, CodebookSettings
from counterfeit.models.autoencoding.shared.grid_coder import GridDecoder, GridEncoder, GridNets
from counterfeit.models.autoregressive.shared.chain import draw as draw_codes

__all__ = ["VQVAE"]


class VQVAE(Model):
    """A vector-quantized variational autoencoder: grids of codes from a codebook, and a prior over them.

    Every step has two updates: one of the autoencoder, and one of the prior, on the codes that the encoder then gives.

    References:
        Neural Discrete Representation Learning, van den Oord, Vinyals & Kavukcuoglu, 2017 (arXiv 1711.00937).

    Arguments:
        spec: what the data are; images of any size.
        likelihood: of data given codes: bernoulli for binary data; for pictures the discretized logistic, categorical
            (256 free probabilities of a value) or gaussian; auto: the first.
        quantizer: how outputs of the encoder become codes.
        nets: what encoder and decoder are.
        transformer: what the prior over codes is.

    Raises:
        ValueError: where the data are no images, or the likelihood does not suit them.

    Example:
        >>> model = VQVAE(Spec((3, 20, 28)), quantizer=CodebookSettings(codebook_size=16))
        >>> model.codes(torch.rand(2, 3, 20, 28)).shape, model.elbo(torch.rand(2, 3, 20, 28)).shape
        (torch.Size([2, 5, 7]), torch.Size([2]))
    """

    def __init__(
        self, spec: Spec, likelihood: LikelihoodName = "auto", quantizer: CodebookSettings = CodebookSettings(),  # noqa: B008
        nets: GridNets = GridNets(), transformer: TransformerSettings = TransformerSettings(),  # noqa: B008
    ) -> None:  # fmt: skip
        super().__init__(spec)
        self.likelihood, self.quantizer, self.nets, self.transformer = likelihood, quantizer, nets, transformer
        self.grid, self.p = nets.grid(spec), choose(spec, likelihood)
        self.levels = self.p.levels
        self.undivided = ("model.codebook",) if quantizer.averaged else ()
        self.encoder, self.codebook = GridEncoder(spec, nets, quantizer.code_dim), Codebook(quantizer)
        self.decoder = GridDecoder(spec, nets, quantizer.code_dim, self.p.parameters)
        self.code_prior = CodeTransformer(quantizer.codebook_size, math.prod(self.grid), transformer)

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        """Descend equation 3 in the autoencoder, and the negative log-likelihood of its codes in their prior."""
        x = draw().x
        z = self.encoder(x)  # (B, D, h, w)
        codes = self.codebook.nearest(z)
        e = self.codebook(codes)
        quantized = z + (e - z).detach()  # the gradient at e goes straight through to z
        losses = {
            "reconstruction": -self.p.of_examples(x, self.decoder(quantized)).mean(),
            "commitment": self.quantizer.commitment * _squared_distance(z, e.detach()),
        }
        if not self.quantizer.averaged:
            losses["codebook"] = _squared_distance(z.detach(), e)
        parts = ("encoder", "decoder") if self.quantizer.averaged else ("encoder", "decoder", "codebook")
        yield Update.of(parts, losses, {"perplexity": self.codebook.perplexity(codes)})
        yield Update.of("code_prior", {"loss": -self._log_p_codes(codes).mean()})
        self.codebook.follow(z.detach(), codes)

    def _log_p_codes(self, codes: Tensor) -> Tensor:
        """Log p of grids of codes in nats, (B, h, w) -> (B,)."""
        return CodeChain(self.code_prior).log_prob(codes.flatten(1))

    def _log_joint(self, x: Tensor, codes: Tensor) -> Tensor:
        """Log p(x | codes) p(codes) in nats, (B,)."""
        return self.p.of_examples(x, self.decoder(self.codebook(codes))) + self._log_p_codes(codes)

    def codes(self, x: Tensor) -> Tensor:
        """The grid of codes of each example, int64 (B, h, w)."""
        self.spec.check(x, "VQVAE.codes")
        return self.codebook.nearest(self.encoder(x))

    def elbo(self, x: Tensor) -> Tensor:
        """Log p(x | codes) + log p(codes) for the encoder's codes, in nats, (B,) (section 3.2).

        A bound, since log p(x) sums over all grids of codes: the evidence lower bound of a posterior without spread.
        """
        self.spec.check(x, "VQVAE.elbo")
        return self._log_joint(x, self.codebook.nearest(self.encoder(x)))

    def iwae(self, x: Tensor, k: int) -> Tensor:
        """The same with what other codes add, estimated from `k` grids of codes near the encoder's, in nats, (B,).

        Each place draws a code the likelier the nearer its vector is; p(x) is estimated without bias by the term of the
        encoder's own codes and the mean importance weight of those that differ.
        """
        self.spec.check(x, "VQVAE.iwae")
        if k < 1:
            raise ValueError(f"k={k} came; at least one importance sample is expected. Ask for k >= 1.")
        distances = self.codebook.distances(self.encoder(x)).flatten(1, 2)  # (B, places, K)
        nearest = distances.argmin(-1)
        spread = distances.amin(-1).mean(1).clamp(min=1e-12)  # mean squared distance of the encoder's own codes
        log_q = (-distances / spread[:, None, None]).log_softmax(-1)
        drawn = torch.multinomial(log_q.exp().flatten(0, 1), k, replacement=True)  # (B places, k)
        drawn = drawn.unflatten(0, log_q.shape[:2]).transpose(1, 2)  # (B, k, places)
        log_w = self._log_joint(x.repeat_interleave(k, 0), drawn.unflatten(2, self.grid).flatten(0, 1)).view(-1, k)
        log_w = log_w - log_q.gather(2, drawn.transpose(1, 2)).sum(1)
        log_w = log_w.masked_fill((drawn == nearest[:, None]).all(2), -math.inf)
        own = self._log_joint(x, nearest.unflatten(1, self.grid))
        return torch.logaddexp(own, log_w.logsumexp(1) - math.log(k))

    @torch.no_grad()
    def prior(self, n: int) -> Tensor:
        """Draw the vectors of `n` grids of codes, (n, code_dim h w)."""
        check_request(n)
        return self._vectors(draw_codes(CodeChain(self.code_prior), n).long().unflatten(1, self.grid))

    def encode(self, x: Tensor) -> Tensor:
        """The vectors of each example's codes, (B, code_dim h w)."""
        return self._vectors(self.codes(x))

    def _vectors(self, codes: Tensor) -> Tensor:
        return self.codebook(codes).flatten(1)

    def _decoder_says(self, z: Tensor) -> Tensor:
        """Parameters of p(x | vectors), (B, *shape, parameters)."""
        check_codes(z, self.quantizer.code_dim * math.prod(self.grid))
        return self.decoder(z.unflatten(1, (-1, *self.grid)))

    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x | vectors), (B, *shape), of any vectors, also between those of the codebook."""
        return self.spec.within(self.p.mean(self._decoder_says(z)))

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw `n` examples, (n, *shape); `decode(prior(n))` gives their means."""
        check_request(n, y)
        return self.spec.within(self.p.sample(self._decoder_says(self.prior(n))))


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance over channels, summed over places: (B, D, h, w) twice -> the mean over examples."""
    return (a - b).square().flatten(1).sum(1).mean()
